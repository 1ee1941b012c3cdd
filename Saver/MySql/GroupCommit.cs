using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Saver.MySql;

/// <summary>
/// Coalesces the writes of many callers into one transaction: while one is committed, the next ones gather. Any thread adds; one loop
/// commits, one transaction at a time, in the order of adding. Bounded in bytes; over it a write is refused. Owned by its store,
/// disposed by the cluster store.
/// </summary>
internal sealed class GroupCommit<TItem, TResult> : IAsyncDisposable
{
    private readonly SqlLink _link;
    private readonly string _store;
    private readonly Func<SqlSession, IReadOnlyList<TItem>, Task<TResult[]>> _execute;
    private readonly Channel<Waiting> _queue = Channel.CreateUnbounded<Waiting>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;
    private long _bytes;

    /// <summary><paramref name="execute"/> runs inside the transaction, maybe more than once, and gives one result per item.</summary>
    public GroupCommit(SqlLink link, string store, Func<SqlSession, IReadOnlyList<TItem>, Task<TResult[]>> execute)
    {
        _link = link;
        _store = store;
        _execute = execute;
        link.Metrics.Observe(
            "push_saver_sql_queue_bytes", "By", "Bytes of writes that wait for a group commit, by store",
            () => [new Measurement<long>(Interlocked.Read(ref _bytes), new KeyValuePair<string, object?>("store", store))]);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Completes after the commit. Throws <see cref="StoreUnavailableException"/> after the deadline at the latest.</summary>
    public async Task<TResult> AddAsync(TItem item, long bytes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Interlocked.Add(ref _bytes, bytes) > _link.Options.QueueBytes && Interlocked.Read(ref _bytes) != bytes)
        {
            Interlocked.Add(ref _bytes, -bytes);
            _link.Metrics.Refused.Add(1);
            throw new StoreUnavailableException($"Too many writes of {_store} wait for the database (Saver:MySql:QueueBytes).");
        }
        var waiting = new Waiting(item, bytes);
        if (!_queue.Writer.TryWrite(waiting))
        {
            Interlocked.Add(ref _bytes, -bytes);
            throw new StoreUnavailableException("The store is closed.");
        }
        try
        {
            return await waiting.Answer.Task.WaitAsync(_link.Options.Deadline, cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            // Taken out when its turn comes, unless it is being committed already.
            waiting.GivenUp = true;
            if (exception is OperationCanceledException)
                throw;
            throw new StoreUnavailableException(
                $"The database did not commit within {_link.Options.Deadline.TotalSeconds:0.###} s (Saver:MySql:Deadline).", exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            var batch = new List<Waiting>();
            while (await _queue.Reader.WaitToReadAsync())
            {
                if (!Gather(batch))
                    continue;
                await CommitAsync(batch);
                batch.Clear();
            }
        }
        catch (Exception exception)
        {
            SaverLog.GroupCommitEnded(_link.Logger, _store, exception);
        }
        _queue.Writer.TryComplete();
        while (_queue.Reader.TryRead(out var left))
            left.Answer.TrySetException(new StoreUnavailableException("The store is closed."));
    }

    private bool Gather(List<Waiting> batch)
    {
        long bytes = 0;
        while (batch.Count < _link.Options.BatchOperations && _queue.Reader.TryPeek(out var next)
            && (batch.Count == 0 || bytes + next.Bytes <= _link.Options.BatchBytes) && _queue.Reader.TryRead(out next))
        {
            Interlocked.Add(ref _bytes, -next.Bytes);
            if (next.GivenUp)
                continue;
            batch.Add(next);
            bytes += next.Bytes;
        }
        return batch.Count > 0;
    }

    private async Task CommitAsync(List<Waiting> batch)
    {
        _link.Metrics.BatchOperations.Record(batch.Count, new KeyValuePair<string, object?>("store", _store));
        var items = new TItem[batch.Count];
        for (var i = 0; i < items.Length; i++)
            items[i] = batch[i].Item;
        try
        {
            var results = await _link.WriteAsync(_store, session => _execute(session, items), CancellationToken.None);
            for (var i = 0; i < batch.Count; i++)
                batch[i].Answer.TrySetResult(results[i]);
        }
        catch (StoreUnavailableException exception)
        {
            foreach (var waiting in batch)
                waiting.Answer.TrySetException(new StoreUnavailableException(exception.Message, exception.InnerException));
        }
        catch (Exception exception)
        {
            // One of them is bad; nothing was committed. Alone, only the bad one fails.
            if (batch.Count == 1)
            {
                batch[0].Answer.TrySetException(exception);
                return;
            }
            foreach (var waiting in batch)
                await CommitAsync([waiting]);
        }
    }

    private sealed class Waiting(TItem item, long bytes)
    {
        public TItem Item => item;
        public long Bytes => bytes;
        public TaskCompletionSource<TResult> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public volatile bool GivenUp;
    }
}
