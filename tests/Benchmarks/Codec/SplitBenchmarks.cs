using System.Buffers;
using BenchmarkDotNet.Attributes;
using PushSystem.Protocol;

namespace PushSystem.Benchmarks.Codec;

/// <summary>Splitting a receive buffer of 64 KiB full of frames; the figure is per buffer.</summary>
[MemoryDiagnoser]
public class SplitBenchmarks
{
    private const int BufferSize = 64 * 1024;
    private ReadOnlySequence<byte> _pushes, _acks, _pushesInPieces;

    [GlobalSetup]
    public void Setup()
    {
        _pushes = new ReadOnlySequence<byte>(Fill(output => new PushMessage { AppIndex = 0, Seq = 123_456, Payload = new byte[100] }.Write(output)));
        _acks = new ReadOnlySequence<byte>(Fill(output => new AckMessage(0, StreamKind.Mailbox, 3, 123_456).Write(output)));
        _pushesInPieces = Pieces.Of(_pushes.First, 4_096);
    }

    [Benchmark]
    public int Pushes() => Split(_pushes);

    [Benchmark]
    public int Pushes_in_segments_of_4_KiB() => Split(_pushesInPieces);

    [Benchmark]
    public int Acks() => Split(_acks);

    private static int Split(ReadOnlySequence<byte> input)
    {
        var count = 0;
        while (FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out _))
            count++;
        return count;
    }

    private static ReadOnlyMemory<byte> Fill(Action<IBufferWriter<byte>> write)
    {
        var output = new FixedBuffer(BufferSize + 256);
        while (output.Written < BufferSize)
            write(output);
        return output.WrittenMemory;
    }
}
