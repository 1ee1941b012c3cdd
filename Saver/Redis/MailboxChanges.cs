using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Redis;

/// <summary>
/// Everything that can happen to a mailbox: each change is made to the owner's copy and added to the batch that makes it in redis. Holds
/// no state; the partition's loop calls it. Where the heads are needed the caller has seen to it that they are there.
/// </summary>
internal static class MailboxChanges
{
    /// <summary>
    /// How much longer than its messages a list lives in redis, so that the owner is the one who decides that they expired.
    /// Milliseconds.
    /// </summary>
    public const long ExpiryMargin = 60_000;

    /// <summary>True when an append would go over the bounds, so that the heads are needed.</summary>
    public static bool WouldOverflow(HotMailbox mailbox, AppLimits limits, int messages, long bytes) =>
        mailbox.Count + messages > limits.MailboxMessages || mailbox.Bytes + bytes > limits.MailboxBytes;

    /// <summary>True when messages have expired that are still in the list.</summary>
    public static bool HasExpired(HotMailbox mailbox, long now) => mailbox.Count > 0 && mailbox.EarliestExpiry <= now;

    public static AppendResult Append(HotBatch batch, HotMailbox mailbox, AppLimits limits, StoredDraft draft)
    {
        // The list may be gone already, with its time to live.
        if (mailbox.Count > 0 && mailbox.LatestExpiry <= batch.Now)
            ExpireAll(batch, mailbox);
        var seq = mailbox.Top + 1;
        if (seq > MessageId.MaxSeq)
            throw new InvalidOperationException($"Mailbox {mailbox.Key} has used all of its {MessageId.MaxSeq} sequence numbers.");
        var expiresAt = batch.Now + draft.TimeToLive;
        var packed = PackedMessage.Write(seq, draft.Kind, batch.Now, expiresAt, draft.Payload);
        Install(batch, mailbox, packed);
        mailbox.Top = seq;
        batch.Landing.Add(new LandingItem(LandingKind.Message, mailbox.Field, seq, 0, packed));
        batch.Change(mailbox);
        if (WouldOverflow(mailbox, limits, 0, 0))
        {
            // What is dead anyway goes first.
            Expire(batch, mailbox);
            var count = 0;
            var bytes = mailbox.Bytes;
            while (mailbox.Count - count > limits.MailboxMessages || bytes > limits.MailboxBytes)
                bytes -= mailbox.Heads![count++].Size;
            RemoveFront(batch, mailbox, count, ResetReason.Overflow);
            batch.Overflowed += count;
        }
        return new AppendResult(mailbox.Epoch, seq, batch.Now, expiresAt);
    }

    /// <summary>Adds a message behind those that wait. The caller sets the top and changes the mailbox.</summary>
    public static void Install(HotBatch batch, HotMailbox mailbox, byte[] packed)
    {
        var head = PackedMessage.Head(packed);
        batch.Push(mailbox, packed);
        if (mailbox.Count == 0)
        {
            (mailbox.Heads, mailbox.EarliestExpiry, mailbox.LatestExpiry) = ([], long.MaxValue, 0);
        }
        mailbox.Heads?.Add(head);
        mailbox.Count++;
        mailbox.Bytes += head.Size;
        mailbox.EarliestExpiry = Math.Min(mailbox.EarliestExpiry, head.ExpiresAt);
        if (head.ExpiresAt > mailbox.LatestExpiry)
        {
            mailbox.LatestExpiry = head.ExpiresAt;
            batch.ExpireList(mailbox, Math.Max(0, head.ExpiresAt - batch.Now) + ExpiryMargin);
        }
    }

    /// <summary>True when <see cref="Acknowledge"/> needs the heads.</summary>
    public static bool NeedsHeadsToAcknowledge(HotMailbox mailbox, long seq) => mailbox.Count > 0 && seq < mailbox.Top && seq > mailbox.Acked;

    /// <summary>Everything up to <paramref name="seq"/>, at most the top, was processed.</summary>
    public static void Acknowledge(HotBatch batch, HotMailbox mailbox, long seq)
    {
        if (seq <= mailbox.Acked)
            return;
        if (mailbox.Acked < mailbox.LandedTop)
            batch.JournalState(mailbox);
        if (seq == mailbox.Top)
        {
            batch.Acked += mailbox.Count;
            RemoveAll(batch, mailbox);
        }
        else if (mailbox.Count > 0)
        {
            var count = mailbox.IndexOf(seq + 1);
            batch.Acked += count;
            RemoveFront(batch, mailbox, count, ResetReason.None);
        }
        var (skips, forgottenTo) = mailbox.Skips.Trim(seq);
        mailbox.Skips = skips;
        mailbox.Forgotten = Math.Max(mailbox.Forgotten, forgottenTo);
        mailbox.Acked = seq;
        mailbox.LastAckAt = batch.Now;
        batch.Change(mailbox);
    }

    /// <summary>Removes what has expired; cheap when nothing has.</summary>
    public static void Expire(HotBatch batch, HotMailbox mailbox)
    {
        if (!HasExpired(mailbox, batch.Now))
            return;
        var heads = mailbox.Heads!;
        var front = 0;
        while (front < heads.Count && heads[front].ExpiresAt <= batch.Now)
            front++;
        batch.Expired += front;
        RemoveFront(batch, mailbox, front, ResetReason.Expired);
        heads = mailbox.Heads!;
        var earliest = long.MaxValue;
        var kept = new List<MessageHead>(heads.Count);
        for (var i = 0; i < heads.Count; i++)
        {
            var head = heads[i];
            if (head.ExpiresAt > batch.Now)
            {
                kept.Add(head);
                earliest = Math.Min(earliest, head.ExpiresAt);
                continue;
            }
            batch.Tombstone(mailbox, i);
            mailbox.Count--;
            mailbox.Bytes -= head.Size;
            mailbox.Skips = mailbox.Skips.Add(head.Seq, head.Seq, ResetReason.Expired);
            batch.Expired++;
        }
        if (kept.Count < heads.Count)
        {
            batch.RemoveTombstones(mailbox);
            mailbox.Heads = kept;
        }
        mailbox.EarliestExpiry = earliest;
        batch.Change(mailbox);
    }

    /// <summary>Every waiting message has expired; needs no heads.</summary>
    private static void ExpireAll(HotBatch batch, HotMailbox mailbox)
    {
        if (mailbox.Acked < mailbox.LandedTop)
            batch.JournalState(mailbox);
        batch.Expired += mailbox.Count;
        RemoveAll(batch, mailbox);
        mailbox.Skips = HotTable.Cover(mailbox.Skips, mailbox.Acked + 1, mailbox.Top, ResetReason.Expired);
    }

    /// <summary>Sets the first waiting message aside; its bytes are in <see cref="HotMailbox.HeadMessage"/>.</summary>
    public static void Park(HotBatch batch, HotMailbox mailbox)
    {
        batch.Landing.Add(new LandingItem(
            LandingKind.Parked, mailbox.Field, mailbox.Heads![0].Seq, mailbox.Epoch, mailbox.HeadMessage));
        RemoveFront(batch, mailbox, 1, ResetReason.Poison);
        batch.Parked++;
    }

    /// <summary>
    /// Data was lost: the same messages go on under the next epoch. False when this partition epoch has no more of them.
    /// <paramref name="common"/>: up to there the old epoch's numbers are believed to mean the same messages.
    /// </summary>
    public static bool BeginEpoch(HotBatch batch, HotMailbox mailbox, long common)
    {
        if (mailbox.Epoch % EpochEnd.Stride == EpochEnd.Stride - 1)
            return false;
        EndEpoch(mailbox, mailbox.Epoch, mailbox.Top, common);
        mailbox.Epoch++;
        batch.JournalState(mailbox);
        batch.Change(mailbox);
        return true;
    }

    public static void EndEpoch(HotMailbox mailbox, uint epoch, long top, long common)
    {
        var kept = mailbox.Epochs.AsSpan(Math.Max(0, mailbox.Epochs.Length - EpochEnd.MostKept + 1));
        mailbox.Epochs = [.. kept, new EpochEnd(epoch, top, common)];
    }

    /// <summary>The position in the broadcast log goes forward, or is set for the first time.</summary>
    public static void MoveCursor(HotBatch batch, HotMailbox mailbox, long cursor)
    {
        if (mailbox.Cursor < 0)
        {
            // Losing a move costs a repetition on the wire; losing the first position would skip broadcasts.
            batch.CountUser(mailbox.Key.App);
            batch.JournalState(mailbox);
        }
        else
        {
            mailbox.LastAckAt = batch.Now;
        }
        mailbox.Cursor = cursor;
        batch.Change(mailbox);
    }

    /// <summary>Removes the first <paramref name="count"/> waiting messages; with a reason they are remembered as not delivered.</summary>
    private static void RemoveFront(HotBatch batch, HotMailbox mailbox, int count, ResetReason reason)
    {
        if (count == 0)
            return;
        var heads = mailbox.Heads!;
        if (heads[0].Seq <= mailbox.LandedTop)
            batch.JournalState(mailbox);
        for (var i = 0; i < count; i++)
        {
            mailbox.Bytes -= heads[i].Size;
            if (reason != ResetReason.None)
                mailbox.Skips = mailbox.Skips.Add(heads[i].Seq, heads[i].Seq, reason);
        }
        mailbox.HeadMessage = null;
        if (count == heads.Count)
        {
            RemoveAll(batch, mailbox);
        }
        else
        {
            batch.TrimFront(mailbox, count);
            heads.RemoveRange(0, count);
            mailbox.Count -= count;
        }
        batch.Change(mailbox);
    }

    private static void RemoveAll(HotBatch batch, HotMailbox mailbox)
    {
        if (mailbox.Count > 0)
            batch.DeleteList(mailbox);
        (mailbox.Count, mailbox.Bytes, mailbox.EarliestExpiry, mailbox.LatestExpiry) = (0, 0, long.MaxValue, 0);
        mailbox.Heads = [];
        mailbox.HeadMessage = null;
    }
}
