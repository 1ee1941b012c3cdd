using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Saver.Sql;

/// <summary>
/// Owns the writing connection and the one thread that uses it. Any thread queues writes; whatever is queued is executed in one
/// transaction, committed with one sync, and only then answered. A write that fails is taken out and the others are repeated without
/// it; a failure of disk or file is answered to all and nothing of the batch stays.
/// Disposed by the store, which drains the queue first.
/// </summary>
internal sealed class GroupCommitWriter : IAsyncDisposable
{
    private readonly object _gate = new();
    private readonly Queue<WriteOperation> _queue = new();
    private readonly List<WriteOperation> _taken = [];
    private readonly WriteBatch _batch = new();
    private readonly Func<RawConnection> _open;
    private readonly IWriteState _state;
    private readonly SaverOptions _options;
    private readonly SaverMetrics _metrics;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RawConnection _connection;
    private long _queuedBytes;
    private bool _flushWanted;
    private bool _stopping;
    private bool _broken;
    private bool _inOperation;
    private long _failures;
    private long _lastRecovery;

    public GroupCommitWriter(
        RawConnection connection, Func<RawConnection> open, IWriteState state, SaverOptions options, SaverMetrics metrics,
        TimeProvider clock, ILogger logger)
    {
        _connection = connection;
        _open = open;
        _state = state;
        _options = options;
        _metrics = metrics;
        _clock = clock;
        _logger = logger;
        metrics.Observe("push_saver_queue_operations", null, "Writes that wait for a commit", () => QueuedOperations);
        metrics.Observe("push_saver_queue_bytes", "By", "Bytes of the writes that wait for a commit", () => Volatile.Read(ref _queuedBytes));
    }

    /// <summary>Called in the transaction just before the commit: a failure point for tests.</summary>
    internal Action? BeforeCommit { get; set; }

    /// <summary>Called on the writing thread when no transaction is open, after each batch.</summary>
    internal Action<RawConnection>? BetweenBatches { get; set; }

    /// <summary>Called on the writing thread once, before its connection is closed.</summary>
    internal Action<RawConnection>? Closing { get; set; }

    public int QueuedOperations
    {
        get
        {
            lock (_gate)
                return _queue.Count;
        }
    }

    public void Start() => new Thread(Run) { IsBackground = true, Name = "saver-writer" }.Start();

    /// <summary>
    /// Queues a write; the task completes after its commit. Null when the queue is full. <paramref name="work"/> must change nothing
    /// outside the batch, because it may run twice. A cancelled caller leaves at once; the write is dropped only if it still waits.
    /// </summary>
    public Task<T>? TryRunAsync<T>(int bytes, Func<WriteBatch, T> work, CancellationToken cancellationToken, bool flush = false)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var operation = new WriteOperation<T>(bytes, work, cancellationToken);
        lock (_gate)
        {
            if (_stopping)
                throw new StoreUnavailableException("The message store is stopping.");
            if (_queue.Count >= _options.QueueOperations || (_queue.Count > 0 && _queuedBytes + bytes > _options.QueueBytes))
            {
                _metrics.Refused.Add(1);
                return null;
            }
            _queue.Enqueue(operation);
            _queuedBytes += bytes;
            _flushWanted |= flush;
            Monitor.Pulse(_gate);
        }
        return cancellationToken.CanBeCanceled ? operation.Answer.WaitAsync(cancellationToken) : operation.Answer;
    }

    /// <summary>As <see cref="TryRunAsync"/>; a full queue throws <see cref="StoreUnavailableException"/>.</summary>
    public Task<T> RunAsync<T>(int bytes, Func<WriteBatch, T> work, CancellationToken cancellationToken) =>
        TryRunAsync(bytes, work, cancellationToken) ?? throw new StoreUnavailableException(
            $"The message store's queue is full (QueueOperations {_options.QueueOperations}, QueueBytes {_options.QueueBytes}).");

    /// <summary>Completes when everything taken so far, acknowledgements included, is committed and visible.</summary>
    public Task FlushAsync(CancellationToken cancellationToken) =>
        TryRunAsync(0, static _ => true, cancellationToken, flush: true)
        ?? throw new StoreUnavailableException("The message store's queue is full.");

    /// <summary>Asks for a commit of what may wait, or for housekeeping; does not wait for it.</summary>
    public void RequestFlush()
    {
        lock (_gate)
        {
            _flushWanted = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Refuses new writes, executes the queued ones and ends the thread.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (!_stopping)
            {
                _stopping = true;
                _flushWanted = true;
                Monitor.Pulse(_gate);
            }
        }
        await _ended.Task;
        _connection.Dispose();
    }

    private void Run()
    {
        try
        {
            while (TakeBatch(out var flush))
            {
                Process(flush);
                if (!_broken)
                    BetweenBatches?.Invoke(_connection);
            }
            if (!_broken)
                Closing?.Invoke(_connection);
        }
        catch (Exception exception)
        {
            SaverLog.WriterEnded(_logger, exception);
            FailWaiting(exception);
        }
        finally
        {
            _ended.SetResult();
        }
    }

    private bool TakeBatch(out bool flush)
    {
        lock (_gate)
        {
            while (_queue.Count == 0 && !_flushWanted)
            {
                if (_stopping)
                {
                    flush = false;
                    return false;
                }
                Monitor.Wait(_gate);
            }
            long bytes = 0;
            while (_taken.Count < _options.BatchOperations && _queue.TryPeek(out var next)
                && (_taken.Count == 0 || bytes + next.Bytes <= _options.BatchBytes))
            {
                _queue.Dequeue();
                _queuedBytes -= next.Bytes;
                bytes += next.Bytes;
                _taken.Add(next);
            }
            // A flush is for those queued before it: with more waiting than one batch takes, it belongs to the last of them.
            flush = _flushWanted && _queue.Count == 0;
            if (flush)
                _flushWanted = false;
            return true;
        }
    }

    private void Process(bool flush)
    {
        var failure = Recover() ?? Commit(0, _taken.Count, flush);
        if (failure is null)
        {
            Succeed(0, _taken.Count);
        }
        else if (!IsStorage(failure) && _taken.Count > 1)
        {
            // One of them is poison: each gets a transaction of its own.
            for (var i = 0; i < _taken.Count; i++)
            {
                var alone = Recover() ?? Commit(i, 1, false);
                if (alone is null)
                    Succeed(i, 1);
                else
                    Fail(_taken[i], alone);
            }
        }
        else
        {
            foreach (var operation in _taken)
                Fail(operation, failure);
        }
        _taken.Clear();
    }

    private Exception? Commit(int first, int count, bool flush)
    {
        try
        {
            _inOperation = false;
            _batch.Start(_connection, _clock.GetUtcNow().ToUnixTimeMilliseconds());
            _connection.Use("BEGIN IMMEDIATE").Run();
            _state.Begin(_batch, flush);
            _inOperation = true;
            for (var i = first; i < first + count; i++)
            {
                if (!_taken[i].IsCancelled)
                    _taken[i].Execute(_batch);
            }
            _inOperation = false;
            _state.Finish(_batch);
            BeforeCommit?.Invoke();
            var started = _clock.GetTimestamp();
            _connection.Use("COMMIT").Run();
            _metrics.CommitSeconds.Record(_clock.GetElapsedTime(started).TotalSeconds);
            _metrics.BatchOperations.Record(count);
        }
        catch (Exception exception)
        {
            RollBack(exception, count);
            return exception;
        }
        _batch.Publish();
        if (_state.Committed())
            RequestFlush();
        if (_failures > 0)
        {
            SaverLog.StoreRecovered(_logger, _failures);
            _failures = 0;
        }
        return null;
    }

    private void RollBack(Exception cause, int operations)
    {
        // A fault outside a caller's own write means that what is in memory cannot be trusted.
        var reload = cause is SqliteFailureException failure ? failure.NeedsReopen : !_inOperation;
        try
        {
            if (_connection.InTransaction)
                _connection.Use("ROLLBACK").Run();
        }
        catch (SqliteFailureException)
        {
            reload = true;
        }
        _batch.Discard();
        _state.RolledBack();
        if (reload)
        {
            _broken = true;
            _lastRecovery = 0;
        }
        if (IsStorage(cause) || reload)
        {
            _metrics.Failures.Add(1);
            if (_failures++ == 0)
                SaverLog.CommitFailed(_logger, operations, cause);
        }
    }

    /// <summary>After a failure that leaves the outcome open: a new connection, and everything in memory is loaded again.</summary>
    private Exception? Recover()
    {
        if (!_broken)
            return null;
        if (_lastRecovery != 0 && _clock.GetElapsedTime(_lastRecovery) < _options.RecoveryInterval)
            return new StoreUnavailableException("The message store failed and is not open again yet.");
        _lastRecovery = _clock.GetTimestamp();
        try
        {
            var connection = _open();
            _connection.Dispose();
            _connection = connection;
            _state.Reload(connection);
            _broken = false;
            return null;
        }
        catch (Exception exception)
        {
            SaverLog.ReopenFailed(_logger, exception);
            return new StoreUnavailableException("The message store cannot be opened.", exception);
        }
    }

    private static bool IsStorage(Exception exception) =>
        exception is StoreUnavailableException or SqliteFailureException { IsStorage: true };

    private void Succeed(int first, int count)
    {
        for (var i = first; i < first + count; i++)
            _taken[i].Succeed();
    }

    private void Fail(WriteOperation operation, Exception exception)
    {
        if (IsStorage(exception))
        {
            operation.Fail(new StoreUnavailableException("The message store could not commit; nothing was changed unless it failed while syncing.", exception));
        }
        else
        {
            SaverLog.OperationFailed(_logger, exception);
            operation.Fail(exception);
        }
    }

    private void FailWaiting(Exception cause)
    {
        lock (_gate)
        {
            _stopping = true;
            _taken.AddRange(_queue);
            _queue.Clear();
        }
        foreach (var operation in _taken)
            operation.Fail(new StoreUnavailableException("The message store's writer ended.", cause));
    }
}
