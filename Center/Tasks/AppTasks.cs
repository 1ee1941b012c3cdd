using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>
/// The unfinished broadcasts of one app, sent one at a time in the log's order.
/// Owns their list and the loop that runs while there are any; any thread adds and tells of changes; the engine stops it.
/// </summary>
internal sealed class AppTasks(string app, Func<TaskKey, TaskRun> newRun, CenterOptions options, TimeProvider time, ILogger logger)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<TaskKey, TaskState> _tasks = [];
    private readonly WakeSignal _wake = new();
    private TaskKey? _head;
    private bool _isHeadChanged;
    private Task _loop = Task.CompletedTask;

    /// <summary>The loop, ended when there was nothing more to do.</summary>
    public Task Loop
    {
        get
        {
            lock (_lock)
                return _loop;
        }
    }

    /// <summary>States of the tasks, a snapshot.</summary>
    public IReadOnlyList<TaskState> States
    {
        get
        {
            lock (_lock)
                return [.. _tasks.Values];
        }
    }

    /// <summary>Tasks that are not finished.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _tasks.Count;
        }
    }

    /// <summary>Takes a task as it is now in the log, known or not, and starts the loop if it stands.</summary>
    public void Put(BroadcastRecord record, CancellationToken stopping)
    {
        var key = new TaskKey(app, record.Epoch, record.Seq);
        lock (_lock)
        {
            var isFinished = record.State is TaskState.Done or TaskState.Cancelled;
            if (key == _head)
            {
                _isHeadChanged = true;
                _wake.Set();
            }
            if (isFinished && key != _head)
                _tasks.Remove(key);
            else
                _tasks[key] = record.State;
            if (_tasks.Count > 0 && _head is null)
            {
                _head = _tasks.First().Key;
                _loop = Task.Run(() => RunAsync(stopping), CancellationToken.None);
            }
        }
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            for (var key = Head(); key is not null; key = NextHead())
                await RunToEndAsync(key.Value, stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    private async Task RunToEndAsync(TaskKey key, CancellationToken stopping)
    {
        var run = newRun(key);
        var retry = options.RetryDelay;
        while (true)
        {
            TimeSpan wait;
            try
            {
                if (TakeHeadChange())
                    run.Invalidate();
                if (await run.StepAsync(stopping) is not { } next)
                    return;
                wait = next;
                retry = options.RetryDelay;
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                CenterLog.TaskFailed(logger, exception, key.App, key.Epoch, key.Seq, retry);
                run.Invalidate();
                wait = retry;
                retry = retry * 2 < options.MaxRetryDelay ? retry * 2 : options.MaxRetryDelay;
            }
            if (wait > TimeSpan.Zero)
                await _wake.WaitAsync(wait, time, stopping);
        }
    }

    private TaskKey? Head()
    {
        lock (_lock)
            return _head;
    }

    // Under one lock with Put: a task that is added now either finds the loop running or starts it.
    private TaskKey? NextHead()
    {
        lock (_lock)
        {
            _tasks.Remove(_head!.Value);
            _head = _tasks.Count > 0 ? _tasks.First().Key : null;
            _isHeadChanged = false;
            return _head;
        }
    }

    private bool TakeHeadChange()
    {
        lock (_lock)
        {
            _wake.Clear();
            var isChanged = _isHeadChanged;
            _isHeadChanged = false;
            return isChanged;
        }
    }
}
