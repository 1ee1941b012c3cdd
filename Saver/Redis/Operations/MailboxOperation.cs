using PushSystem.Contracts;

namespace PushSystem.Saver.Redis.Operations;

/// <summary>
/// Something that waits for its turn in a partition. Created by any thread; afterwards the partition's loop alone touches it until
/// <see cref="Complete"/> or <see cref="Fail"/>. It may be executed again from its last applied point when a batch was refused.
/// </summary>
internal abstract class MailboxOperation
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when redis has applied it.</summary>
    public Task Done => _done.Task;

    /// <summary>About how many bytes it holds and sends.</summary>
    public virtual int Cost => 128;

    /// <summary>Timestamp of the clock when it was queued.</summary>
    public long QueuedAt { get; set; }

    /// <summary>False when it changes nothing, so that it may be repeated after an unknown outcome.</summary>
    public virtual bool Writes => true;

    /// <summary>Of no use to anybody but the owner: the partition is not taken for it.</summary>
    public virtual bool IsOwnersOnly => false;

    /// <summary>Before the first execution and before each repetition.</summary>
    public virtual void Reset()
    {
    }

    /// <summary>The users whose states must be there.</summary>
    public abstract void AddUsers(ISet<UserKey> users);

    /// <summary>
    /// Asks for what <see cref="Execute"/> will miss as things are now. Called before the first execution and whenever that said no.
    /// </summary>
    public virtual void Prefetch(HotBatch reads, HotTable table)
    {
    }

    /// <summary>Adds its changes to the batch; false when something is missing, with nothing half done.</summary>
    public abstract bool Execute(HotBatch batch, HotTable table);

    /// <summary>When everything of the batch is decided: adds reading operations that show the result of all of it.</summary>
    public virtual void Plan(HotBatch batch, HotTable table)
    {
    }

    /// <summary>What it did so far is applied and will not be repeated.</summary>
    public virtual void Applied()
    {
    }

    public virtual void Complete() => _done.TrySetResult();

    public virtual void Fail(Exception exception) => _done.TrySetException(exception);

    /// <summary>Asks for the heads of a mailbox once.</summary>
    protected static void WantHeads(HotBatch reads, HotTable table, HotMailbox mailbox)
    {
        if (mailbox.Heads is null && table.Want(mailbox))
            reads.ReadHeads(mailbox, heads => table.SetHeads(mailbox, heads));
    }
}
