using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>Epoch and top of many mailboxes.</summary>
internal sealed class PositionsOperation(IReadOnlyList<(int Index, UserKey Key)> keys, StreamPosition[] positions) : MailboxOperation
{
    public override bool Writes => false;

    public override int Cost => 64 * keys.Count;

    public override void AddUsers(ISet<UserKey> users)
    {
        foreach (var (_, key) in keys)
            users.Add(key);
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        foreach (var (index, key) in keys)
        {
            var mailbox = table.Get(key);
            positions[index] = mailbox.IsKnown ? new StreamPosition(mailbox.Epoch, mailbox.Top) : default;
        }
        return true;
    }
}

/// <summary>What became of one message.</summary>
internal sealed class FindOperation(UserKey key, uint epoch, long seq) : MailboxOperation
{
    public override bool Writes => false;

    public MessageStatus Status { get; private set; }

    public override void AddUsers(ISet<UserKey> users) => users.Add(key);

    public override void Prefetch(HotBatch reads, HotTable table) => WantHeads(reads, table, table.Get(key));

    public override bool Execute(HotBatch batch, HotTable table)
    {
        var mailbox = table.Get(key);
        if (mailbox.Heads is null)
            return false;
        MailboxChanges.Expire(batch, mailbox);
        Status = StatusOf(mailbox);
        return true;
    }

    private MessageStatus StatusOf(HotMailbox mailbox)
    {
        if (!mailbox.IsKnown || seq < 1 || seq > mailbox.Top || seq <= mailbox.Forgotten)
            return default;
        // An epoch that ended gave its messages, up to its top, to the next one.
        if (epoch != mailbox.Epoch && (mailbox.Ended(epoch) is not { } ended || seq > ended.Top))
            return default;
        if (mailbox.Skips.TryFind(seq, out var range))
            return new MessageStatus(StateOf(range.Reason), 0, 0);
        if (seq <= mailbox.Acked)
            return new MessageStatus(MessageState.Acked, 0, 0);
        var index = mailbox.IndexOf(seq);
        return index < mailbox.Heads!.Count && mailbox.Heads[index] is var head && head.Seq == seq
            ? new MessageStatus(MessageState.Pending, head.AcceptedAt, head.ExpiresAt)
            : default;
    }

    private static MessageState StateOf(ResetReason reason) => reason switch
    {
        ResetReason.Expired => MessageState.Expired,
        ResetReason.Poison => MessageState.Parked,
        ResetReason.Cancelled => MessageState.Cancelled,
        ResetReason.DataLoss => MessageState.Unknown,
        _ => MessageState.Dropped,
    };
}

/// <summary>The state of a mailbox.</summary>
internal sealed class SummaryOperation(UserKey key) : MailboxOperation
{
    public override bool Writes => false;

    public MailboxSummary? Summary { get; private set; }

    public override void AddUsers(ISet<UserKey> users) => users.Add(key);

    public override void Prefetch(HotBatch reads, HotTable table) => WantHeads(reads, table, table.Get(key));

    public override bool Execute(HotBatch batch, HotTable table)
    {
        var mailbox = table.Get(key);
        if (mailbox.Heads is null)
            return false;
        MailboxChanges.Expire(batch, mailbox);
        var oldest = mailbox.Heads.Count == 0 ? 0 : mailbox.Heads[0].AcceptedAt;
        Summary = mailbox.IsKnown
            ? new MailboxSummary(mailbox.Epoch, mailbox.Acked, mailbox.Top, mailbox.Count, mailbox.Bytes, oldest, mailbox.LastAckAt)
            : null;
        return true;
    }
}
