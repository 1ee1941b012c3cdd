using PushSystem.Contracts;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>Sets the first waiting message aside if it is the one asked for.</summary>
internal sealed class ParkOperation(UserKey key, uint epoch, long seq) : MailboxOperation
{
    public StreamOpening Opening { get; private set; }

    public override void AddUsers(ISet<UserKey> users) => users.Add(key);

    public override void Prefetch(HotBatch reads, HotTable table)
    {
        var mailbox = table.Get(key);
        if (mailbox.Count == 0)
            return;
        WantHeads(reads, table, mailbox);
        if (mailbox.HeadMessage is null)
            reads.ReadRange(mailbox, 0, 0, messages => mailbox.HeadMessage = messages.FirstOrDefault());
    }

    public override bool Execute(HotBatch batch, HotTable table)
    {
        var mailbox = table.Get(key);
        if (mailbox.Count > 0 && mailbox.Heads is null)
            return false;
        MailboxChanges.Expire(batch, mailbox);
        if (mailbox.Count > 0 && mailbox.Epoch == epoch && mailbox.Heads![0].Seq == seq)
        {
            if (mailbox.HeadMessage is null)
                return false;
            MailboxChanges.Park(batch, mailbox);
        }
        var (position, reason) = mailbox.Next();
        Opening = new StreamOpening(mailbox.Epoch, position, mailbox.Top, reason);
        return true;
    }
}
