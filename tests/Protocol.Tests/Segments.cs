using System.Buffers;

namespace PushSystem.Protocol.Tests;

/// <summary>Builds sequences whose bytes lie in as many segments as a test wants.</summary>
internal static class Segments
{
    /// <summary>One segment per byte.</summary>
    public static ReadOnlySequence<byte> OfOneByte(ReadOnlySpan<byte> bytes)
    {
        var cuts = new int[bytes.Length];
        for (var i = 0; i < cuts.Length; i++)
            cuts[i] = i;
        return CutAt(bytes, cuts);
    }

    /// <summary>Segments that begin at 0 and at each cut; equal cuts make empty segments. Cuts ascend.</summary>
    public static ReadOnlySequence<byte> CutAt(ReadOnlySpan<byte> bytes, params ReadOnlySpan<int> cuts)
    {
        Segment? first = null, last = null;
        var start = 0;
        for (var i = 0; i <= cuts.Length; i++)
        {
            var end = i == cuts.Length ? bytes.Length : cuts[i];
            last = new Segment(bytes[start..end].ToArray(), last);
            first ??= last;
            start = end;
        }
        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes, Segment? previous)
        {
            Memory = bytes;
            if (previous is null)
                return;
            RunningIndex = previous.RunningIndex + previous.Memory.Length;
            previous.Next = this;
        }
    }
}
