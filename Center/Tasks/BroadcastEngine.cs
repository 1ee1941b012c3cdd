using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>
/// Runs the broadcasts of the apps whose claim this process holds. The log is the truth: it is asked at start, from time to time, often
/// while anything is unfinished, and whenever the API, another center or a change among the centers gives reason to.
/// Owns one queue per app; any thread tells of records; the host starts and stops it, the container disposes it.
/// </summary>
internal sealed class BroadcastEngine : BackgroundService
{
    private readonly BroadcastEngineParts _parts;
    private readonly WakeSender _others;
    private readonly TaskWakes _wakes;
    private readonly WakeSignal _refresh = new();
    private readonly ConcurrentDictionary<string, AppTasks> _apps = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private bool _isDisposed;

    public BroadcastEngine(
        [FromKeyedServices(BoundedStores.Key)] IBroadcastLog log, [FromKeyedServices(BoundedStores.Key)] IWorkClaims claims, IPeers peers,
        [FromKeyedServices(BoundedStores.Key)] ISessionRegistry registry, IRoomDirectory rooms, WakeSender others, TaskWakes wakes,
        CenterOptions options, CenterMetrics metrics, TimeProvider time, ILoggerFactory loggers)
    {
        _parts = new BroadcastEngineParts(log, claims, peers, registry, rooms, options, time, loggers.CreateLogger<BroadcastEngine>());
        (_others, _wakes) = (others, wakes);
        metrics.WatchTasks(Measure);
        peers.Changed += Refresh;
        wakes.Woken += OnWoken;
    }

    /// <summary>Takes a record as it is now in the log: a new task, or one that was changed.</summary>
    public void Put(BroadcastRecord record)
    {
        if (_stopping.IsCancellationRequested || Tasks(record.App).Put(record))
            return;
        Refresh();
        _others.Send(record.App);
    }

    /// <summary>
    /// A broadcast was cancelled: where another center runs it, the rooms are told from here too, because that one may be dead and a
    /// cancelled task is taken over by nobody. Completes when they have answered or had their time.
    /// </summary>
    public async Task CancelInRoomsAsync(BroadcastRecord record)
    {
        if (IsRunning(record.App))
            return;
        var command = new FanoutCommand(
            record.App, record.Epoch, record.Seq, FanoutAction.Cancel, record.RatePerSecond, record.Kind, record.ExpiresAt, default);
        await Task.WhenAll(_parts.Rooms.Rooms.Select(async room =>
        {
            try
            {
                if (_parts.Rooms.Find(room.Id, room.Incarnation) is { } node)
                    await node.FanoutAsync(command, _stopping.Token).WithinAsync(_parts.Options.RoomTimeout, _parts.Time);
            }
            catch (Exception exception)
            {
                CenterLog.FanoutFailed(_parts.Logger, exception, room.Id, record.App, record.Epoch, record.Seq);
            }
        }));
    }

    /// <summary>Tasks of an app that are queued, running or paused, as far as known here.</summary>
    public int Unfinished(string app) => _apps.TryGetValue(app, out var tasks) ? tasks.Count : 0;

    /// <summary>Whether this process sends the app's broadcasts.</summary>
    public bool IsRunning(string app) => _apps.TryGetValue(app, out var tasks) && tasks.IsRunning;

    /// <summary>Asks the log again: an append may have succeeded whose answer was lost.</summary>
    public void Refresh() => _refresh.Set();

    /// <summary>Ends the loops and gives the claims back, so that another center goes on at once.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await base.StopAsync(cancellationToken);
        await Task.WhenAll(_apps.Values.Select(tasks => tasks.Loop)).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public override void Dispose()
    {
        // The container holds this object twice, by itself and as a hosted service, and disposes it twice.
        if (Interlocked.Exchange(ref _isDisposed, true))
            return;
        _parts.Peers.Changed -= Refresh;
        _wakes.Woken -= OnWoken;
        _stopping.Cancel();
        base.Dispose();
        _stopping.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await RefreshAlwaysAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private void OnWoken(string app) => Refresh();

    private async Task RefreshAlwaysAsync(CancellationToken stopping)
    {
        var retry = _parts.Options.RetryDelay;
        while (true)
        {
            TimeSpan wait;
            _refresh.Clear();
            try
            {
                await RefreshAsync(stopping);
                wait = _apps.Values.Any(tasks => tasks.Count > 0) ? _parts.Options.PollInterval : _parts.Options.RefreshInterval;
                retry = _parts.Options.RetryDelay;
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                CenterLog.RefreshFailed(_parts.Logger, exception, retry);
                wait = retry;
                retry = _parts.Longer(retry);
            }
            await _refresh.WaitAsync(wait, _parts.Time, stopping);
        }
    }

    private async ValueTask RefreshAsync(CancellationToken stopping)
    {
        var known = _apps.Values.Select(tasks => (Tasks: tasks, Keys: tasks.Keys())).ToArray();
        var records = (await _parts.Log.UnfinishedAsync(stopping)).ToLookup(record => record.App, StringComparer.Ordinal);
        foreach (var (tasks, keys) in known)
            tasks.Sync(keys, records[tasks.App]);
        foreach (var app in records)
        {
            if (!known.Any(one => one.Tasks.App == app.Key))
                Tasks(app.Key).Sync([], app);
        }
        await Task.WhenAll(_apps.Values.Select(tasks => ClaimAsync(tasks, stopping)));
    }

    private async Task ClaimAsync(AppTasks tasks, CancellationToken stopping)
    {
        var self = _parts.Peers.Self;
        var live = _parts.Peers.Live;
        if (self == 0 || !tasks.WantsClaim(_parts.Peers.IsFirstFor(tasks.Work), live))
            return;
        try
        {
            var owner = await _parts.Claims.ClaimAsync(tasks.Work, self, live, stopping);
            if (owner == self)
                tasks.Start(new Fence(tasks.Work, self), _stopping.Token);
            else
                tasks.OwnedBy(owner);
        }
        catch (Exception exception) when (!stopping.IsCancellationRequested)
        {
            // Asked again at the next look, which is near while there are tasks.
            CenterLog.ClaimFailed(_parts.Logger, exception, tasks.Work);
        }
    }

    private AppTasks Tasks(string app) => _apps.GetOrAdd(app, static (id, engine) => new AppTasks(id, engine._parts, engine.Refresh), this);

    private IEnumerable<Measurement<long>> Measure()
    {
        var states = _apps.Values.SelectMany(tasks => tasks.States).ToLookup(state => state);
        foreach (var state in (TaskState[])[TaskState.Queued, TaskState.Running, TaskState.Paused])
            yield return new Measurement<long>(states[state].Count(), new KeyValuePair<string, object?>("state", TaskNames.Of(state)));
    }
}
