using PushSystem.Contracts;

namespace PushSystem.Saver.Sql;

/// <summary>One waiting write. Executed by the writing thread, maybe twice: a batch that fails is repeated one by one.</summary>
internal abstract class WriteOperation(int bytes, CancellationToken cancellationToken)
{
    /// <summary>What it takes of the queue's bound.</summary>
    public int Bytes => bytes;

    /// <summary>The caller gave up while it was still waiting.</summary>
    public bool IsCancelled => cancellationToken.IsCancellationRequested;

    protected CancellationToken Token => cancellationToken;

    public abstract void Execute(WriteBatch batch);

    /// <summary>Answers the caller; its continuation runs elsewhere.</summary>
    public abstract void Succeed();

    public abstract void Fail(Exception exception);
}

/// <inheritdoc/>
internal sealed class WriteOperation<T>(int bytes, Func<WriteBatch, T> work, CancellationToken cancellationToken)
    : WriteOperation(bytes, cancellationToken)
{
    private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T _result = default!;
    private bool _executed;

    public Task<T> Answer => _answer.Task;

    public override void Execute(WriteBatch batch)
    {
        _result = work(batch);
        _executed = true;
    }

    public override void Succeed()
    {
        if (_executed)
            _answer.TrySetResult(_result);
        else
            _answer.TrySetCanceled(Token);
    }

    public override void Fail(Exception exception) => _answer.TrySetException(exception);
}

/// <summary>What the writer keeps consistent with the database. All members are called by the writing thread.</summary>
internal interface IWriteState
{
    /// <summary>Inside the transaction, before the writes. <paramref name="flush"/>: also write what may wait, such as acknowledgements.</summary>
    void Begin(WriteBatch batch, bool flush);

    /// <summary>Inside the transaction, after the writes.</summary>
    void Finish(WriteBatch batch);

    /// <summary>After a commit and its publication. True: there is housekeeping left that should not wait for the next write.</summary>
    bool Committed();

    /// <summary>After a rollback.</summary>
    void RolledBack();

    /// <summary>Throws away what is in memory and loads it again, because the outcome of a commit is unknown.</summary>
    void Reload(RawConnection connection);
}
