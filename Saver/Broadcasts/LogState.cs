using System.Collections.Immutable;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Broadcasts;

/// <summary>
/// One app's broadcast log; immutable, except that each entry's record has a committed and a working version of its own. Entries are
/// dense: entry i has the number <see cref="FirstSeq"/> + i.
/// </summary>
internal sealed record LogState
{
    public required uint Epoch { get; init; }
    /// <summary>Number of the first entry kept.</summary>
    public long FirstSeq { get; init; } = 1;
    public long Top { get; init; }
    /// <summary>All up to it are running, done or cancelled.</summary>
    public long Released { get; init; }
    /// <summary>Users that have ever been bound.</summary>
    public long KnownUsers { get; init; }
    /// <summary>Payload bytes of the entries that still have one.</summary>
    public long Bytes { get; init; }
    public ImmutableArray<BroadcastEntry> Entries { get; init; } = [];

    public static LogState Empty(uint epoch) => new() { Epoch = epoch };

    public BroadcastEntry? Find(uint epoch, long seq) =>
        epoch == Epoch && seq >= FirstSeq && seq <= Top ? Entries[(int)(seq - FirstSeq)] : null;

    /// <summary>Why an entry up to the released number is not delivered; None when it is.</summary>
    public ResetReason ReasonToSkip(long seq, long now)
    {
        if (seq < FirstSeq)
            return ResetReason.Expired;
        var record = Entries[(int)(seq - FirstSeq)].Record.Committed;
        return record.State == TaskState.Cancelled ? ResetReason.Cancelled
            : record.ExpiresAt <= now ? ResetReason.Expired
            : ResetReason.None;
    }

    /// <summary>Skips what will not be delivered behind <paramref name="position"/>, and says why.</summary>
    public (long Position, ResetReason Reason) SkipDead(long position, long now)
    {
        var reason = ResetReason.None;
        if (position < FirstSeq - 1)
            (position, reason) = (FirstSeq - 1, ResetReason.Expired);
        while (position < Released && ReasonToSkip(position + 1, now) is var next && next != ResetReason.None)
        {
            reason = ResetReasons.Stronger(reason, next);
            position++;
        }
        return (position, reason);
    }

    /// <summary>The released number of the working records, counted on from <paramref name="from"/>.</summary>
    public long CountReleased(long from)
    {
        var released = Math.Max(from, FirstSeq - 1);
        while (released < Top
            && Entries[(int)(released + 1 - FirstSeq)].Record.Working.State is TaskState.Running or TaskState.Done or TaskState.Cancelled)
        {
            released++;
        }
        return released;
    }
}

/// <summary>One broadcast of a log.</summary>
internal sealed class BroadcastEntry(BroadcastRecord record, bool hasPayload)
{
    public Versioned<BroadcastRecord> Record { get; } = new(record);

    /// <summary>Writing thread only, changed after the commit.</summary>
    public bool HasPayload { get; set; } = hasPayload;
}
