using System.Buffers;
using System.IO.Pipelines;

namespace PushSystem.Transport.Shards;

/// <summary>
/// A <see cref="Pipe"/> whose both ends are used by one thread at a time: bytes that have to wait, in pooled segments. Pooled
/// itself; its segments go back to the array pool as they are consumed.
/// </summary>
internal sealed class PipeQueue
{
    // No thresholds: the shard bounds what it writes. Inline: nobody ever awaits either end.
    private static readonly PipeOptions Options = new(
        readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline,
        pauseWriterThreshold: 0, resumeWriterThreshold: 0, useSynchronizationContext: false);

    private readonly Pipe _pipe = new(Options);
    private ReadOnlySequence<byte> _reading;

    /// <summary>Bytes in the queue.</summary>
    public int Length { get; private set; }

    /// <summary>A send of bytes of this queue runs: it must not be returned to its pool.</summary>
    public bool InFlight { get; set; }

    /// <summary>Its connection is gone; whoever ends the running send returns it.</summary>
    public bool Abandoned { get; set; }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        _pipe.Writer.Write(bytes);
        Flush();
        Length += bytes.Length;
    }

    public void Write(in ReadOnlySequence<byte> bytes)
    {
        foreach (var segment in bytes)
            _pipe.Writer.Write(segment.Span);
        Flush();
        Length += (int)bytes.Length;
    }

    /// <summary>Everything in the queue; valid until <see cref="Consume"/>, which must follow before the next read.</summary>
    public ReadOnlySequence<byte> Read()
    {
        if (!_pipe.Reader.TryRead(out var result))
            throw new InvalidOperationException("An empty queue was read.");
        _reading = result.Buffer;
        return _reading;
    }

    /// <summary>Drops the first <paramref name="bytes"/> of what was read.</summary>
    public void Consume(long bytes)
    {
        var position = _reading.GetPosition(bytes);
        _reading = default;
        _pipe.Reader.AdvanceTo(position);
        Length -= (int)bytes;
    }

    /// <summary>Empties it for its next use.</summary>
    public void Reset()
    {
        _reading = default;
        _pipe.Writer.Complete();
        _pipe.Reader.Complete();
        _pipe.Reset();
        Length = 0;
        InFlight = false;
        Abandoned = false;
    }

    private void Flush()
    {
        var flush = _pipe.Writer.FlushAsync();
        if (!flush.IsCompletedSuccessfully)
            throw new InvalidOperationException("A pipe without thresholds made its writer wait.");
        _ = flush.Result;
    }
}
