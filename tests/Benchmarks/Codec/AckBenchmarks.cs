using System.Buffers;
using BenchmarkDotNet.Attributes;
using PushSystem.Protocol;

namespace PushSystem.Benchmarks.Codec;

/// <summary>Writing and reading one ACK, and a heartbeat; nothing may be allocated.</summary>
[MemoryDiagnoser]
public class AckBenchmarks
{
    private readonly FixedBuffer _output = new(64);
    private byte[] _frame = [];
    private byte[] _ping = [];

    [GlobalSetup]
    public void Setup()
    {
        Write();
        _frame = _output.WrittenMemory.ToArray();
        _output.Clear();
        new PingMessage(240).Write(_output);
        _ping = _output.WrittenMemory.ToArray();
    }

    [Benchmark]
    public int Write()
    {
        _output.Clear();
        new AckMessage(0, StreamKind.Mailbox, 3, 123_456).Write(_output);
        return _output.Written;
    }

    [Benchmark]
    public long Read()
    {
        var input = new ReadOnlySequence<byte>(_frame);
        FrameReader.TryRead(ref input, ProtocolLimits.DefaultClientBody, out var frame);
        return AckMessage.Read(frame.Body.FirstSpan).Seq;
    }

    [Benchmark]
    public int Ping()
    {
        var input = new ReadOnlySequence<byte>(_ping);
        FrameReader.TryRead(ref input, ProtocolLimits.DefaultClientBody, out var frame);
        var interval = PingMessage.Read(frame.Body.FirstSpan).NextIntervalSeconds;
        _output.Clear();
        default(PongMessage).Write(_output);
        return interval + _output.Written;
    }
}
