using System.Buffers;

namespace PushSystem.Benchmarks.Codec;

/// <summary>Memory in segments of a given size, as a pipe would hold it.</summary>
internal sealed class Pieces : ReadOnlySequenceSegment<byte>
{
    private Pieces(ReadOnlyMemory<byte> memory, Pieces? previous)
    {
        Memory = memory;
        if (previous is null)
            return;
        RunningIndex = previous.RunningIndex + previous.Memory.Length;
        previous.Next = this;
    }

    public static ReadOnlySequence<byte> Of(ReadOnlyMemory<byte> bytes, int size)
    {
        Pieces? first = null, last = null;
        for (var start = 0; start < bytes.Length; start += size)
        {
            last = new Pieces(bytes.Slice(start, Math.Min(size, bytes.Length - start)), last);
            first ??= last;
        }
        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }
}
