using PushSystem.Client.Storage;
using PushSystem.Protocol;

namespace PushSystem.Client.Delivery;

/// <summary>What a sequence number means for a stream.</summary>
internal enum SeqVerdict : byte
{
    /// <summary>The next one.</summary>
    Next,
    /// <summary>The next one behind a gap that the server announced at bind without a RESET.</summary>
    NextBehindGap,
    /// <summary>Processed already.</summary>
    Duplicate,
    /// <summary>Something is missing.</summary>
    Gap,
}

/// <summary>
/// The order of one stream: which message is the next, which was seen, where a gap is. The position itself lives in the store.
/// Called by the message pump only, except <see cref="Position"/>, which any thread may read; nothing to dispose.
/// </summary>
internal sealed class StreamTracker(StateStore store, UserState state, StreamKind stream)
{
    // Where the server said that it goes on, while that does not meet our position: a RESET should follow.
    private StreamPosition? _announced;

    /// <summary>The last processed message.</summary>
    public StreamPosition Position => store.Position(state, stream);

    /// <summary>
    /// The stream was opened on a connection. <paramref name="server"/>: behind which message it goes on; null after a RESUME, when it
    /// goes on behind ours.
    /// </summary>
    public void Opened(StreamPosition? server)
    {
        _announced = null;
        if (server is not { } start)
            return;
        var ours = Position;
        if (ours.Epoch == 0)
            store.TryMove(state, stream, ours, start);
        else if (start.Epoch != ours.Epoch || start.Seq > ours.Seq)
            _announced = start;
    }

    /// <summary>What to do with a message. <paramref name="behind"/>: the position it follows, with Next and NextBehindGap.</summary>
    public SeqVerdict Check(long seq, out StreamPosition behind)
    {
        behind = Position;
        if (_announced is { } announced)
        {
            if (seq == announced.Seq + 1)
            {
                behind = announced;
                return SeqVerdict.NextBehindGap;
            }
            return announced.Epoch == behind.Epoch && seq <= behind.Seq ? SeqVerdict.Duplicate : SeqVerdict.Gap;
        }
        return seq == behind.Seq + 1 ? SeqVerdict.Next : seq <= behind.Seq ? SeqVerdict.Duplicate : SeqVerdict.Gap;
    }

    /// <summary>
    /// A RESET: the stream goes on behind <paramref name="target"/>. True when that skips or may skip messages, and the application has
    /// to know before <see cref="Skip"/>.
    /// </summary>
    public bool Resets(StreamPosition target, ResetReason reason)
    {
        _announced = null;
        var ours = Position;
        // Data loss is the one reason that may lead back: what follows has new messages under old numbers.
        return target.Epoch != ours.Epoch || target.Seq > ours.Seq || (reason == ResetReason.DataLoss && target.Seq < ours.Seq);
    }

    /// <summary>Goes over a gap that the application was told about.</summary>
    public void Skip(StreamPosition target)
    {
        _announced = null;
        store.TryMove(state, stream, Position, target);
    }

    /// <summary>The message behind <paramref name="behind"/> was processed.</summary>
    public void Advance(StreamPosition behind) => store.TryMove(state, stream, behind, behind with { Seq = behind.Seq + 1 });
}
