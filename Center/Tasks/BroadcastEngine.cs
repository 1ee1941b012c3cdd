using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Tasks;

/// <summary>
/// Runs the broadcasts of all apps: takes up what the log has unfinished, at start and from time to time, and what the API appends.
/// Owns one queue per app; any thread tells of records; the host starts and stops it, the container disposes it.
/// </summary>
internal sealed class BroadcastEngine : BackgroundService
{
    private readonly IBroadcastLog _log;
    private readonly ISessionRegistry _registry;
    private readonly IRoomDirectory _rooms;
    private readonly CenterOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly WakeSignal _refresh = new();
    private readonly ConcurrentDictionary<string, AppTasks> _apps = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private bool _isDisposed;

    public BroadcastEngine(
        IBroadcastLog log, ISessionRegistry registry, IRoomDirectory rooms, CenterOptions options, CenterMetrics metrics, TimeProvider time,
        ILoggerFactory loggers)
    {
        (_log, _registry, _rooms, _options, _time) = (log, registry, rooms, options, time);
        _logger = loggers.CreateLogger<BroadcastEngine>();
        metrics.WatchTasks(Measure);
    }

    /// <summary>Takes a record as it is now in the log: a new task, or one that was changed.</summary>
    public void Put(BroadcastRecord record)
    {
        if (!_stopping.IsCancellationRequested)
            Tasks(record.App).Put(record, _stopping.Token);
    }

    /// <summary>Tasks of an app that are queued, running or paused, as far as known here.</summary>
    public int Unfinished(string app) => _apps.TryGetValue(app, out var tasks) ? tasks.Count : 0;

    /// <summary>Asks the log again: an append may have succeeded whose answer was lost.</summary>
    public void Refresh() => _refresh.Set();

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

    private async Task RefreshAlwaysAsync(CancellationToken stopping)
    {
        var retry = _options.RetryDelay;
        while (true)
        {
            var wait = _options.RefreshInterval;
            try
            {
                foreach (var record in await _log.UnfinishedAsync(stopping))
                    Put(record);
                retry = _options.RetryDelay;
            }
            catch (Exception exception) when (!stopping.IsCancellationRequested)
            {
                CenterLog.RefreshFailed(_logger, exception, retry);
                wait = retry;
                retry = retry * 2 < _options.MaxRetryDelay ? retry * 2 : _options.MaxRetryDelay;
            }
            await _refresh.WaitAsync(wait, _time, stopping);
        }
    }

    private AppTasks Tasks(string app) =>
        _apps.GetOrAdd(app, static (id, engine) => new AppTasks(id, engine.NewRun, engine._options, engine._time, engine._logger), this);

    private TaskRun NewRun(TaskKey key) => new(key, _log, _registry, _rooms, _options, _time, _logger);

    private IEnumerable<Measurement<long>> Measure()
    {
        var states = _apps.Values.SelectMany(tasks => tasks.States).ToLookup(state => state);
        foreach (var state in (TaskState[])[TaskState.Queued, TaskState.Running, TaskState.Paused])
            yield return new Measurement<long>(states[state].Count(), new KeyValuePair<string, object?>("state", TaskNames.Of(state)));
    }
}
