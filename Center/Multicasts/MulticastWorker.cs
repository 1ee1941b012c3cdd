using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PushSystem.Center.Delivery;
using PushSystem.Center.Stores;
using PushSystem.Center.Tasks;
using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// Takes parts of multicasts, this process's share of them, and works them off. Every center does; the store says whose a part is.
/// Owns the parts that this process holds, one task each, and one loop; any thread wakes it; the host starts and stops it, the
/// container disposes it.
/// </summary>
internal sealed class MulticastWorker : BackgroundService
{
    private readonly MulticastParts _parts;
    private readonly IAppDirectory _apps;
    private readonly WakeSender _others;
    private readonly TaskWakes _wakes;
    private readonly WakeSignal _signal = new();
    private readonly SemaphoreSlim _slots;
    private readonly Dictionary<(string App, long Id), MulticastRun> _runs = [];
    private readonly Dictionary<(long Id, int Part), (SubtaskRun Run, long Token, Task<bool> Task)> _held = [];
    private readonly List<(Subtask Subtask, long Token)> _leaving = [];
    private bool _mayHoldUnknown;
    private long? _refreshedAt;
    private int _heldCount;
    private bool _isTold;
    private bool _isDisposed;

    public MulticastWorker(
        [FromKeyedServices(BoundedStores.Key)] IMulticasts multicasts, IPeers peers, RangeSender sender, DeliveryQueue delivery, IAppDirectory apps,
        WakeSender others, TaskWakes wakes, CenterOptions options, CenterMetrics metrics, TimeProvider time, ILogger<MulticastWorker> logger)
    {
        _slots = new SemaphoreSlim(options.MulticastParts, options.MulticastParts);
        _parts = new MulticastParts(multicasts, peers, sender, delivery, _slots, options, time, logger);
        (_apps, _others, _wakes) = (apps, others, wakes);
        peers.Changed += _signal.Set;
        wakes.Woken += OnWoken;
        metrics.WatchMulticasts(() => Held);
    }

    /// <summary>Parts that this process holds.</summary>
    public int Held => Volatile.Read(ref _heldCount);

    /// <summary>A multicast of the app is there or was changed: this center and the others look at once.</summary>
    public void Tell(string app)
    {
        OnWoken(app);
        _others.Send(app);
    }

    public override void Dispose()
    {
        // The container holds this object twice, by itself and as a hosted service, and disposes it twice.
        if (Interlocked.Exchange(ref _isDisposed, true))
            return;
        _parts.Peers.Changed -= _signal.Set;
        _wakes.Woken -= OnWoken;
        base.Dispose();
        _slots.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var retry = _parts.Options.RetryDelay;
        try
        {
            while (true)
            {
                TimeSpan wait;
                _signal.Clear();
                try
                {
                    wait = await LookAsync(stoppingToken);
                    retry = _parts.Options.RetryDelay;
                }
                catch (Exception exception) when (!stoppingToken.IsCancellationRequested)
                {
                    CenterLog.TakeFailed(_parts.Logger, exception, retry);
                    wait = retry;
                    retry = retry * 2 < _parts.Options.MaxRetryDelay ? retry * 2 : _parts.Options.MaxRetryDelay;
                }
                await _signal.WaitAsync(wait, _parts.Time, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        await LeaveAllAsync();
    }

    private void OnWoken(string app)
    {
        Volatile.Write(ref _isTold, true);
        _signal.Set();
    }

    /// <summary>Brings what is held up to date, gives back, takes more; returns how long nothing else need be done.</summary>
    private async ValueTask<TimeSpan> LookAsync(CancellationToken stopping)
    {
        TakeOutEnded();
        await GiveBackAsync();
        await RefreshAsync(stopping);
        await TakeAsync(stopping);
        Volatile.Write(ref _heldCount, _held.Count);
        return _held.Count > 0 || _leaving.Count > 0 ? _parts.Options.PollInterval : _parts.Options.RefreshInterval;
    }

    private void TakeOutEnded()
    {
        foreach (var (key, (run, token, task)) in _held)
        {
            if (!task.IsCompleted)
                continue;
            _held.Remove(key);
            if (--run.Run.Held == 0)
                _runs.Remove((run.Subtask.Task.App, run.Subtask.Task.Id));
            if (!task.Result)
                _leaving.Add((run.Subtask, token));
        }
        Volatile.Write(ref _heldCount, _held.Count);
    }

    // Also those that were lost: giving back what one does not own does nothing, and a lost answer may have made it look lost.
    private async ValueTask GiveBackAsync()
    {
        foreach (var group in _leaving.GroupBy(one => one.Token).ToArray())
        {
            await _parts.Multicasts.ReleaseAsync([.. group.Select(one => one.Subtask)], group.Key, CancellationToken.None);
            _leaving.RemoveAll(one => one.Token == group.Key);
        }
        if (!_mayHoldUnknown || _parts.Peers.Self is var self && self == 0)
            return;
        await GiveBackUnknownAsync(self);
        _mayHoldUnknown = false;
    }

    // An answer that named parts was lost: they belong to this process and nobody would work on them while it lives.
    private async ValueTask GiveBackUnknownAsync(long self)
    {
        const int page = 100;
        foreach (var app in _apps.All)
        {
            long before = 0;
            while (true)
            {
                var records = await _parts.Multicasts.ListAsync(app.Id, before, page, CancellationToken.None);
                foreach (var record in records.Where(record => record.State is TaskState.Running or TaskState.Queued or TaskState.Paused))
                {
                    var parts = Enumerable.Range(0, (int)((record.Targeted + IMulticasts.MaxPartUsers - 1) / IMulticasts.MaxPartUsers))
                        .Where(part => !_held.ContainsKey((record.Id, part))).Select(part => new Subtask(record, part, 0, [])).ToArray();
                    if (parts.Length > 0)
                        await _parts.Multicasts.ReleaseAsync(parts, self, CancellationToken.None);
                }
                if (records.Count < page)
                    break;
                before = records[^1].Id;
            }
        }
    }

    private async ValueTask RefreshAsync(CancellationToken stopping)
    {
        var now = _parts.Time.GetTimestamp();
        // The ends of parts wake the loop too, and often.
        var isTold = Interlocked.Exchange(ref _isTold, false);
        if (!isTold && _refreshedAt is { } last && _parts.Time.GetElapsedTime(last, now) < _parts.Options.PollInterval / 2)
            return;
        _refreshedAt = now;
        foreach (var ((app, id), run) in _runs)
            run.Record = await _parts.Multicasts.FindAsync(app, id, stopping);
    }

    private async ValueTask TakeAsync(CancellationToken stopping)
    {
        while (true)
        {
            var self = _parts.Peers.Self;
            var working = _held.Values.Count(one => !one.Run.Run.IsThrottled);
            var wanted = Math.Min(_parts.Options.MulticastParts - working, _parts.Options.MulticastHeldParts - _held.Count);
            if (self == 0 || wanted <= 0)
                return;
            IReadOnlyList<Subtask> taken;
            try
            {
                taken = await _parts.Multicasts.TakeAsync(self, _parts.Peers.Live, wanted, stopping);
            }
            catch
            {
                _mayHoldUnknown = true;
                throw;
            }
            foreach (var subtask in taken)
                Begin(subtask, self, stopping);
            // Parts that a rate holds back may hide others; those are looked for at the next look.
            if (taken.Count < wanted || taken.Any(subtask => subtask.Task.RatePerSecond > 0))
                return;
        }
    }

    private void Begin(Subtask subtask, long token, CancellationToken stopping)
    {
        if (_held.ContainsKey((subtask.Task.Id, subtask.Part)))
            return;
        var key = (subtask.Task.App, subtask.Task.Id);
        if (!_runs.TryGetValue(key, out var run))
            _runs.Add(key, run = new MulticastRun(subtask.Task, _parts.Peers, _parts.Time));
        else
            run.Record = subtask.Task;
        run.Held++;
        var part = new SubtaskRun(subtask, token, run, _parts);
        _held.Add((subtask.Task.Id, subtask.Part), (part, token, Task.Run(() => RunAsync(part, stopping), CancellationToken.None)));
    }

    private async Task<bool> RunAsync(SubtaskRun part, CancellationToken stopping)
    {
        var isDone = await part.RunAsync(stopping);
        _signal.Set();
        return isDone;
    }

    /// <summary>The process stops: what it holds goes back at its cursors, so that another center goes on at once.</summary>
    private async ValueTask LeaveAllAsync()
    {
        await Task.WhenAll(_held.Values.Select(one => one.Task));
        TakeOutEnded();
        try
        {
            await GiveBackAsync();
        }
        catch (Exception exception)
        {
            CenterLog.SubtaskReleaseFailed(_parts.Logger, exception);
        }
    }
}
