using System.Buffers;
using BenchmarkDotNet.Attributes;
using PushSystem.Protocol;

namespace PushSystem.Benchmarks.Codec;

/// <summary>Writing and reading one PUSH; nothing may be allocated.</summary>
[MemoryDiagnoser]
public class PushBenchmarks
{
    private readonly FixedBuffer _output = new(128 * 1024);
    private byte[] _payload = [];
    private byte[] _frame = [];

    /// <summary>Bytes of payload.</summary>
    [Params(100, 4_096)]
    public int Payload { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _payload = new byte[Payload];
        Write();
        _frame = _output.WrittenMemory.ToArray();
    }

    [Benchmark]
    public int Write()
    {
        _output.Clear();
        new PushMessage { AppIndex = 0, Seq = 123_456, Kind = PayloadKind.Json, Payload = _payload }.Write(_output);
        return _output.Written;
    }

    [Benchmark]
    public long Read()
    {
        var input = new ReadOnlySequence<byte>(_frame);
        FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame);
        using var body = new FrameBody(frame.Body);
        var message = PushMessage.Read(body.Span);
        return message.Seq + message.Payload.Length;
    }
}
