using PushSystem.Contracts;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Redis;

/// <summary>
/// One mailbox as the owner of its partition knows it: the state that redis holds and, where they were needed, the heads of the waiting
/// messages. Owned by the partition's writer, whose loop alone touches it; it is the truth as long as the writer's token counts, and is
/// dropped with the token. Changes go through <see cref="MailboxChanges"/>, so that redis gets them too.
/// </summary>
internal sealed class HotMailbox(UserKey key, byte[] packedUser, int bucket, uint epoch)
{
    public UserKey Key => key;

    /// <summary><see cref="PackedUser"/>.</summary>
    public byte[] Field => packedUser;

    /// <summary>Which of the partition's hashes holds the state.</summary>
    public int Bucket => bucket;

    /// <summary>False until there is something to store: the user has never been seen.</summary>
    public bool IsKnown { get; set; }

    public uint Epoch { get; set; } = epoch;
    public long Top { get; set; }
    public long Acked { get; set; }

    /// <summary>Waiting messages and their payload bytes; those that expired count until they are removed.</summary>
    public int Count { get; set; }
    public long Bytes { get; set; }

    /// <summary>No message above it is in the landing tier; those below may be.</summary>
    public long LandedTop { get; set; }

    public long EarliestExpiry { get; set; } = long.MaxValue;
    public long LatestExpiry { get; set; }
    public long LastAckAt { get; set; }

    /// <summary>Position in the broadcast log, -1 until the first opening.</summary>
    public long Cursor { get; set; } = -1;
    public long AttemptSeq { get; set; }
    public int Attempts { get; set; }

    /// <summary>Up to here it is no longer known what became of skipped messages.</summary>
    public long Forgotten { get; set; }
    public SkipList Skips { get; set; } = SkipList.Empty;

    /// <summary>Ended epochs, oldest first.</summary>
    public EpochEnd[] Epochs { get; set; } = [];

    /// <summary>The waiting messages, exactly those in the redis list and in its order; null = not read yet.</summary>
    public List<MessageHead>? Heads { get; set; } = [];

    /// <summary>The packed first waiting message, when it was read because it may have to be set aside.</summary>
    public byte[]? HeadMessage { get; set; }

    // Where this mailbox is in the batch being built; see HotBatch.
    public int Batch { get; set; }
    public int ListKey { get; set; }
    public bool Changed { get; set; }
    public bool StateJournaled { get; set; }

    /// <summary>Set by each use, cleared by the eviction round.</summary>
    public bool Touched { get; set; } = true;

    public bool IsLive(long seq) => seq > Acked && seq <= Top && !Skips.Covers(seq);

    /// <summary>The position in front of the first waiting message, after removing what expired.</summary>
    public (long Position, PushSystem.Protocol.ResetReason Reason) Next()
    {
        var position = Acked;
        var reason = PushSystem.Protocol.ResetReason.None;
        while (Skips.TryFind(position + 1, out var range))
        {
            position = range.To;
            reason = ResetReasons.Stronger(reason, range.Reason);
        }
        return (position, reason);
    }

    /// <summary>Up to where the numbers of an ended epoch mean the same messages here: (for statuses, for positions); null = not known.</summary>
    public (long Top, long Common)? Ended(uint epoch)
    {
        (long Top, long Common)? least = null;
        if (epoch >= Epoch)
            return null;
        foreach (var ended in Epochs)
        {
            if (ended.Epoch < epoch)
                continue;
            least = least is { } other ? (Math.Min(other.Top, ended.Top), Math.Min(other.Common, ended.Common)) : (ended.Top, ended.Common);
        }
        return least;
    }

    /// <summary>Index of the first head whose number is at least <paramref name="seq"/>.</summary>
    public int IndexOf(long seq)
    {
        int low = 0, high = Heads!.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            if (Heads[middle].Seq < seq)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}
