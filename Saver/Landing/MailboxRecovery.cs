using PushSystem.Protocol;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver.Landing;

/// <summary>
/// Puts a mailbox together after redis lost data, out of what redis still has and what has landed. Numbers are kept; the mailbox remembers
/// how far the old epochs go; a number below the top that nobody has is told as loss. Pure.
/// </summary>
internal static class MailboxRecovery
{
    /// <summary>
    /// Fills <paramref name="target"/>, which has the new epoch already, and returns the waiting messages in order. Null when neither side
    /// knows the user.
    /// </summary>
    public static List<byte[]>? Merge(HotMailbox target, HotMailbox? hot, byte[][] hotMessages, HotMailbox? landed, SortedList<long, byte[]> landedMessages)
    {
        if (hot is null && landed is null && landedMessages.Count == 0)
            return null;
        landed ??= Bare(target, landedMessages);
        var newer = hot is null || (landed is not null && landed.Epoch > hot.Epoch) ? landed! : hot;
        var hotLimit = Limit(newer, hot);
        var landedLimit = Limit(newer, landed);
        var messages = new SortedList<long, byte[]>();
        foreach (var (seq, packed) in landedMessages)
        {
            if (seq <= landedLimit)
                messages[seq] = packed;
        }
        long hotTop = 0;
        foreach (var packed in hotMessages)
        {
            var seq = PackedMessage.Seq(packed);
            if (seq > hotLimit)
                continue;
            messages[seq] = packed;
            hotTop = seq;
        }
        target.Acked = Math.Max(Math.Min(hot?.Acked ?? 0, hotLimit), Math.Min(landed?.Acked ?? 0, landedLimit));
        target.Top = Math.Max(
            Math.Max(Math.Min(hot?.Top ?? 0, hotLimit), Math.Min(landed?.Top ?? 0, landedLimit)),
            Math.Max(Math.Max(hotTop, target.Acked), messages.Count > 0 ? messages.Keys[^1] : 0));
        target.Cursor = Math.Max(hot?.Cursor ?? -1, landed?.Cursor ?? -1);
        target.LastAckAt = Math.Max(hot?.LastAckAt ?? 0, landed?.LastAckAt ?? 0);
        target.Forgotten = Math.Max(Math.Min(hot?.Forgotten ?? 0, hotLimit), Math.Min(landed?.Forgotten ?? 0, landedLimit));
        target.LandedTop = Math.Max(Math.Max(hot?.LandedTop ?? 0, landed?.LandedTop ?? 0), landedMessages.Count > 0 ? landedMessages.Keys[^1] : 0);
        (target.AttemptSeq, target.Attempts) = (newer.AttemptSeq, newer.Attempts);
        target.Skips = Union(newer.Skips, (newer == hot ? landed : hot)?.Skips, newer == hot ? landedLimit : hotLimit);
        target.Epochs = [.. (hot?.Epochs ?? []).Concat(landed?.Epochs ?? []).DistinctBy(ended => ended.Epoch).OrderBy(ended => ended.Epoch)];
        // Covers every epoch before this one, also those that were begun and lost since.
        MailboxChanges.EndEpoch(target, target.Epoch - 1, target.Top, target.Top);
        var waiting = messages.Where(message => target.IsLive(message.Key)).Select(message => message.Value).ToList();
        HotTable.Explain(target, [.. waiting.Select(packed => PackedMessage.Head(packed))], ResetReason.DataLoss);
        return waiting;
    }

    /// <summary>Messages without a state, which were landed out of memory in an emergency.</summary>
    private static HotMailbox? Bare(HotMailbox target, SortedList<long, byte[]> messages) => messages.Count == 0
        ? null
        : new HotMailbox(target.Key, target.Field, target.Bucket, 0) { Top = messages.Keys[^1], Acked = messages.Keys[0] - 1 };

    /// <summary>Up to where one side's numbers mean what they mean on the newer side.</summary>
    private static long Limit(HotMailbox newer, HotMailbox? side) =>
        side is null || side == newer || side.Epoch == newer.Epoch || side.Epoch == 0 ? long.MaxValue : newer.Ended(side.Epoch)?.Top ?? 0;

    private static SkipList Union(SkipList newer, SkipList? other, long limit)
    {
        foreach (var range in other?.Ranges ?? [])
            newer = HotTable.Cover(newer, range.From, Math.Min(range.To, limit), range.Reason);
        return newer;
    }
}
