using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>One user's opening and what came of it.</summary>
internal sealed class Opening(int index, OpenRequest request, AppLimits limits, BroadcastEnds ends)
{
    public int Index => index;
    public OpenRequest Request => request;
    public AppLimits Limits => limits;
    public BroadcastEnds Ends => ends;

    public StreamOpening Mailbox { get; set; }
    public long Cursor { get; set; }
    public ResetReason BroadcastGap { get; set; }

    /// <summary>The broadcast cursor before the client's position moved it; -1 when it did not.</summary>
    public long CursorBefore { get; set; } = -1;
}

/// <summary>The openings of one call in one partition, one after the other.</summary>
internal sealed class OpenOperation(IReadOnlyList<Opening> openings) : MailboxOperation
{
    private int _next;
    private int _applied;

    public override int Cost => 192 * openings.Count;

    public override void Reset() => _next = _applied;

    public override void Applied() => _applied = _next;

    public override void AddUsers(ISet<UserKey> users)
    {
        for (var i = _next; i < openings.Count; i++)
            users.Add(openings[i].Request.Key);
    }

    public override void Prefetch(HotBatch reads, HotTable table)
    {
        for (var i = _next; i < openings.Count; i++)
        {
            var mailbox = table.Get(openings[i].Request.Key);
            if (NeedsHeads(mailbox, openings[i], reads.Now))
                WantHeads(reads, table, mailbox);
            if (i == _next && IsWorn(mailbox, openings[i]) && mailbox.HeadMessage is null)
            {
                WantHeads(reads, table, mailbox);
                reads.ReadRange(mailbox, 0, 0, messages => mailbox.HeadMessage = messages.FirstOrDefault());
            }
        }
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        for (; _next < openings.Count; _next++)
        {
            if (!Open(batch, table.Get(openings[_next].Request.Key), openings[_next]))
                return false;
        }
        return true;
    }

    /// <summary>What it does before it says no may be done again without harm.</summary>
    private static bool Open(HotBatch batch, HotMailbox mailbox, Opening opening)
    {
        if (NeedsHeads(mailbox, opening, batch.Now))
            return false;
        var client = opening.Request.Mailbox;
        var gap = ResetReason.None;
        if (client.Epoch == mailbox.Epoch && client.Seq > mailbox.Top)
        {
            RedisSaverLog.ClientAhead(batch.Logger, mailbox.Key.ToString(), mailbox.Epoch, client.Seq, mailbox.Top);
            MailboxChanges.BeginEpoch(batch, mailbox, mailbox.Acked);
            gap = ResetReason.DataLoss;
        }
        else if (client.Epoch != mailbox.Epoch && client.Epoch != 0)
        {
            gap = ResetReason.DataLoss;
        }
        if (Processed(mailbox, client) is var processed && processed > mailbox.Acked)
            MailboxChanges.Acknowledge(batch, mailbox, processed);
        MailboxChanges.Expire(batch, mailbox);
        while (mailbox.Count > 0 && IsWorn(mailbox, opening))
        {
            if (mailbox.Heads is null || mailbox.HeadMessage is null)
                return false;
            RedisSaverLog.MessageParked(batch.Logger, mailbox.Key.ToString(), mailbox.Next().Position + 1, mailbox.Attempts);
            MailboxChanges.Park(batch, mailbox);
        }
        var (position, reason) = mailbox.Next();
        if (position < mailbox.Top)
        {
            if (mailbox.AttemptSeq != position + 1)
                (mailbox.AttemptSeq, mailbox.Attempts) = (position + 1, 0);
            mailbox.Attempts++;
            batch.Change(mailbox);
        }
        opening.Mailbox = new StreamOpening(mailbox.Epoch, position, mailbox.Top, ResetReasons.Stronger(gap, reason));
        OpenBroadcasts(batch, mailbox, opening);
        return true;
    }

    private static void OpenBroadcasts(HotBatch batch, HotMailbox mailbox, Opening opening)
    {
        var client = opening.Request.Broadcast;
        var ends = opening.Ends;
        (opening.BroadcastGap, opening.CursorBefore) = (ResetReason.None, -1);
        if (mailbox.Cursor < 0)
            MailboxChanges.MoveCursor(batch, mailbox, ends.Released);
        if (client.Epoch == ends.Epoch && client.Seq > ends.Top)
        {
            // One user's claim does not begin a new epoch for all users of the app.
            SaverLog.BroadcastPositionAhead(batch.Logger, mailbox.Key.App, mailbox.Key.User, client.Seq, ends.Top);
            opening.BroadcastGap = ResetReason.DataLoss;
        }
        else if (client.Epoch == ends.Epoch && client.Seq > mailbox.Cursor)
        {
            opening.CursorBefore = mailbox.Cursor;
            MailboxChanges.MoveCursor(batch, mailbox, client.Seq);
        }
        else if (client.Epoch != ends.Epoch && client.Epoch != 0)
        {
            opening.BroadcastGap = ResetReason.DataLoss;
        }
        opening.Cursor = mailbox.Cursor;
    }

    /// <summary>Up to where the client's position says that this mailbox's messages were processed.</summary>
    private static long Processed(HotMailbox mailbox, StreamPosition client)
    {
        if (client.Epoch == mailbox.Epoch)
            return client.Seq <= mailbox.Top ? client.Seq : 0;
        return mailbox.Ended(client.Epoch) is { } ended ? Math.Min(client.Seq, ended.Common) : 0;
    }

    private static bool NeedsHeads(HotMailbox mailbox, Opening opening, long now) =>
        mailbox.Heads is null
        && (MailboxChanges.HasExpired(mailbox, now)
            || MailboxChanges.NeedsHeadsToAcknowledge(mailbox, Processed(mailbox, opening.Request.Mailbox)));

    /// <summary>The first waiting message was delivered too often.</summary>
    private static bool IsWorn(HotMailbox mailbox, Opening opening) =>
        mailbox.Attempts >= opening.Limits.DeliveryAttempts && mailbox.AttemptSeq == mailbox.Next().Position + 1;
}
