using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>
/// The unfinished broadcasts of one app, and, while this process owns the app's claim, the loop that sends them one at a time in the
/// log's order.
/// Owns their list and the loop; any thread adds and tells of changes; the engine claims, starts and stops it.
/// </summary>
internal sealed class AppTasks(string app, BroadcastEngineParts parts, Action lookAgain)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<TaskKey, (TaskState State, int Rate)> _tasks = [];
    private readonly WakeSignal _wake = new();
    private readonly ILogger _logger = parts.Logger;
    private TaskKey? _head;
    private TaskKey _highest;
    private bool _isHeadChanged;
    private bool _isComplete;
    private bool _isRunning;
    private long? _unclaimedSince;
    private long _owner;
    private Task _loop = Task.CompletedTask;

    public string App => app;

    /// <summary>The name of the work.</summary>
    public string Work { get; } = $"broadcasts/{app}";

    /// <summary>The loop, ended when there was nothing more to do or another process owns the app.</summary>
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
                return [.. _tasks.Values.Select(task => task.State)];
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

    /// <summary>Whether this process sends them.</summary>
    public bool IsRunning
    {
        get
        {
            lock (_lock)
                return _isRunning;
        }
    }

    /// <summary>What is known now; given back to <see cref="Sync"/>.</summary>
    public HashSet<TaskKey> Keys()
    {
        lock (_lock)
            return [.. _tasks.Keys];
    }

    /// <summary>Takes a task as it is now in the log, known or not. False: this process does not send the app's tasks.</summary>
    public bool Put(BroadcastRecord record)
    {
        lock (_lock)
        {
            var key = KeyOf(record);
            // Another process may have appended those in between.
            if (!_tasks.ContainsKey(key) && key.CompareTo(_highest) > 0 && key != _highest.Next())
                _isComplete = false;
            PutLocked(record);
            return _isRunning;
        }
    }

    /// <summary>
    /// Takes all unfinished tasks of the app as the log told them: those of <paramref name="before"/> that are missing there have ended.
    /// </summary>
    public void Sync(HashSet<TaskKey> before, IEnumerable<BroadcastRecord> records)
    {
        lock (_lock)
        {
            foreach (var record in records)
            {
                before.Remove(KeyOf(record));
                PutLocked(record);
            }
            foreach (var key in before)
            {
                if (key == _head)
                    TellHeadLocked();
                else
                    _tasks.Remove(key);
            }
            _isComplete = true;
        }
    }

    /// <summary>
    /// Whether to claim the app now: it has tasks that nobody here sends, and this process comes first for it, or its owner is known to be
    /// dead, or whoever comes first has had its time.
    /// </summary>
    public bool WantsClaim(bool isFirst, IReadOnlyCollection<long> live)
    {
        lock (_lock)
        {
            if (_isRunning || _tasks.Count == 0)
            {
                (_unclaimedSince, _owner) = (null, 0);
                return false;
            }
            var now = parts.Time.GetTimestamp();
            _unclaimedSince ??= now;
            return isFirst || (_owner != 0 && !live.Contains(_owner))
                || parts.Time.GetElapsedTime(_unclaimedSince.Value, now) >= parts.Options.ClaimDelay;
        }
    }

    /// <summary>Another process owns the app.</summary>
    public void OwnedBy(long token)
    {
        lock (_lock)
            (_owner, _unclaimedSince) = (token, parts.Time.GetTimestamp());
    }

    /// <summary>The app is claimed under this fence: its tasks are sent from here on.</summary>
    public void Start(Fence fence, CancellationToken stopping)
    {
        lock (_lock)
        {
            if (_isRunning)
                return;
            _isRunning = true;
            (_unclaimedSince, _owner) = (null, 0);
            _loop = Task.Run(() => RunAsync(fence, stopping), CancellationToken.None);
        }
    }

    private void PutLocked(BroadcastRecord record)
    {
        var key = KeyOf(record);
        if (key.CompareTo(_highest) > 0)
            _highest = key;
        var value = (record.State, record.RatePerSecond);
        var isFinished = record.State is TaskState.Done or TaskState.Cancelled;
        if (key == _head)
        {
            if (!_tasks.TryGetValue(key, out var known) || known != value)
                TellHeadLocked();
            _tasks[key] = value;
        }
        else if (isFinished)
        {
            _tasks.Remove(key);
        }
        else
        {
            _tasks[key] = value;
            if (_head is null)
                _wake.Set();
        }
    }

    private void TellHeadLocked()
    {
        _isHeadChanged = true;
        _wake.Set();
    }

    private TaskKey KeyOf(BroadcastRecord record) => new(app, record.Epoch, record.Seq);

    private async Task RunAsync(Fence fence, CancellationToken stopping)
    {
        var isOwned = true;
        try
        {
            isOwned = await RunAllAsync(fence, stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            CenterLog.AppLoopFailed(_logger, exception, app);
        }
        if (isOwned && parts.Owns(fence))
            await ReleaseAsync(fence);
        bool isLeft;
        lock (_lock)
        {
            _head = null;
            _isRunning = false;
            isLeft = _tasks.Count > 0;
        }
        if (isLeft && !stopping.IsCancellationRequested)
            lookAgain();
    }

    /// <summary>Sends until there is nothing more to send; false when the claim was lost.</summary>
    private async ValueTask<bool> RunAllAsync(Fence fence, CancellationToken stopping)
    {
        var retry = parts.Options.RetryDelay;
        while (true)
        {
            if (!parts.Owns(fence))
                return false;
            try
            {
                if (!await CompleteAsync(stopping))
                    continue;
                retry = parts.Options.RetryDelay;
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                CenterLog.RefreshFailed(_logger, exception, retry);
                await Task.Delay(retry, parts.Time, stopping);
                retry = parts.Longer(retry);
                continue;
            }
            if (NextHead() is { } key)
            {
                if (!await RunToEndAsync(key, fence, stopping))
                    return false;
                EndHead();
            }
            else
            {
                // The claim is kept for a moment: the next broadcast is often near.
                await _wake.WaitAsync(parts.Options.PollInterval, parts.Time, stopping);
                if (Count == 0)
                    return true;
            }
        }
    }

    // True: every unfinished task of the app was known at some moment since the last one was put from elsewhere.
    private async ValueTask<bool> CompleteAsync(CancellationToken stopping)
    {
        lock (_lock)
        {
            if (_isComplete)
                return true;
        }
        var before = Keys();
        var records = await parts.Log.UnfinishedAsync(stopping);
        Sync(before, records.Where(record => record.App == app));
        return false;
    }

    /// <summary>Runs one task to its end; false when the claim was lost.</summary>
    private async ValueTask<bool> RunToEndAsync(TaskKey key, Fence fence, CancellationToken stopping)
    {
        var run = new TaskRun(key, fence, parts);
        var retry = parts.Options.RetryDelay;
        while (true)
        {
            TimeSpan wait;
            try
            {
                if (!parts.Owns(fence))
                    return false;
                if (TakeHeadChange())
                    run.Invalidate();
                if (await run.StepAsync(stopping) is not { } next)
                    return true;
                wait = next;
                retry = parts.Options.RetryDelay;
            }
            catch (FencedException exception)
            {
                CenterLog.TaskFenced(_logger, exception, key.App, key.Epoch, key.Seq);
                return false;
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                CenterLog.TaskFailed(_logger, exception, key.App, key.Epoch, key.Seq, retry);
                run.Invalidate();
                wait = retry;
                retry = parts.Longer(retry);
            }
            if (wait > TimeSpan.Zero)
                await _wake.WaitAsync(wait, parts.Time, stopping);
        }
    }

    private async ValueTask ReleaseAsync(Fence fence)
    {
        try
        {
            await parts.Claims.ReleaseAsync(fence.Work!, fence.Token, CancellationToken.None);
        }
        catch (Exception exception)
        {
            // The claim ends with this process at the latest.
            CenterLog.ReleaseFailed(_logger, exception, fence.Work!);
        }
    }

    private TaskKey? NextHead()
    {
        lock (_lock)
        {
            _head = _tasks.Count > 0 ? _tasks.First().Key : null;
            _isHeadChanged = false;
            return _head;
        }
    }

    private void EndHead()
    {
        lock (_lock)
        {
            _tasks.Remove(_head!.Value);
            _head = null;
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
