using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Redis;

namespace PushSystem.Saver.MySql;

/// <summary>
/// The current view of each app's broadcast log: in memory as long as redis confirms its version, else from the copy in redis, else from
/// the database, which then writes the copy. Any thread. One loop compares the copies with the database, because a saver may die between its
/// commit and the update of the copy. Owned and disposed by the broadcast log.
/// </summary>
internal sealed class LogReader : IAsyncDisposable
{
    private readonly LogCopy _copy;
    private readonly BroadcastSql _sql;
    private readonly SqlLink _link;
    private readonly ConcurrentDictionary<string, AppLog> _logs = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _comparing;

    public LogReader(LogCopy copy, BroadcastSql sql, SqlLink link)
    {
        _copy = copy;
        _sql = sql;
        _link = link;
        copy.Reconnected += Doubt;
        _comparing = Task.Run(CompareAsync);
    }

    /// <summary>
    /// As new as this call where redis answers. Throws <see cref="StoreUnavailableException"/> when neither redis nor the database nor the
    /// memory has it.
    /// </summary>
    public Task<LogView> GetAsync(string app, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Log(app).Reading.RunAsync().WaitAsync(cancellationToken);
    }

    /// <summary>What was known last, without asking anybody.</summary>
    public LogView? Known(string app) => _logs.TryGetValue(app, out var log) ? log.View : null;

    /// <summary>After a commit: brings memory and copy to the database's state. A copy that cannot be written is no failure of the write.</summary>
    public async Task PublishAsync(string app)
    {
        try
        {
            await Log(app).Loading.RunAsync();
        }
        catch (StoreUnavailableException exception)
        {
            // The comparison repairs it.
            SaverLog.CopyUnusable(_link.Logger, app, exception.Message);
        }
    }

    /// <summary>One comparison of all copies with the database.</summary>
    public async Task CompareOnceAsync(CancellationToken cancellationToken)
    {
        foreach (var (app, version) in await _sql.VersionsAsync(cancellationToken))
        {
            var log = Log(app);
            if (log.Published >= version)
                continue;
            var copied = await _copy.VersionAsync(app, cancellationToken);
            if (copied >= version)
            {
                log.Confirm(copied.Value);
                continue;
            }
            // No copy is nothing to repair: whoever asks for it writes it.
            if (copied is { } old)
                SaverLog.CopyRepaired(_link.Logger, app, old, version);
            await log.Loading.RunAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _copy.Reconnected -= Doubt;
        await _stopping.CancelAsync();
        await _comparing;
        _stopping.Dispose();
    }

    private AppLog Log(string app) => _logs.GetOrAdd(app, static (name, reader) => new AppLog(name, reader), this);

    // Redis may have lost what was written to it.
    private void Doubt()
    {
        foreach (var log in _logs.Values)
            log.Doubt();
    }

    private async Task<LogView> ReadAsync(AppLog log)
    {
        var known = log.View;
        try
        {
            var version = await _copy.VersionAsync(log.App, _stopping.Token);
            if (version is not null)
                log.Confirm(version.Value);
            if (version is not null && known?.Version == version)
            {
                Count("memory");
                return known;
            }
            // A copy that is older than what is known was lost in between and is written again.
            if (version is not null && (known is null || known.Version < version) && await _copy.ReadAsync(log.App, _stopping.Token) is { } copied)
            {
                Count("redis");
                return log.Take(copied);
            }
        }
        catch (RedisUnavailableException exception)
        {
            _link.Metrics.CopyFailures.Add(1);
            SaverLog.CopyUnusable(_link.Logger, log.App, exception.Message);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            throw new StoreUnavailableException("The store is closed.");
        }
        try
        {
            return await log.Loading.RunAsync();
        }
        catch (StoreUnavailableException) when (log.View is not null)
        {
            return log.View;
        }
    }

    private async Task<LogView> LoadAsync(AppLog log)
    {
        var view = log.Take(await _sql.LoadAsync(log.App));
        Count("database");
        try
        {
            log.Confirm(await _copy.PutAsync(log.App, view, _stopping.Token));
        }
        catch (Exception exception) when (exception is RedisUnavailableException or OperationCanceledException)
        {
            log.Doubt();
            _link.Metrics.CopyFailures.Add(1);
        }
        return view;
    }

    private void Count(string from) => _link.Metrics.CopyReads.Add(1, new KeyValuePair<string, object?>("from", from));

    private async Task CompareAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(_link.Options.CompareInterval, TimeProvider.System, _stopping.Token);
                await CompareOnceAsync(_stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is StoreUnavailableException or RedisUnavailableException)
            {
                _link.Metrics.CopyFailures.Add(1);
            }
            catch (Exception exception)
            {
                _link.Metrics.CopyFailures.Add(1);
                SaverLog.ComparisonFailed(_link.Logger, exception);
            }
        }
    }

    /// <summary>What this process knows of one app's log.</summary>
    private sealed class AppLog
    {
        private readonly Lock _lock = new();
        private volatile LogView? _view;
        private long _published;

        public AppLog(string app, LogReader reader)
        {
            App = app;
            Reading = new Coalesced<LogView>(() => reader.ReadAsync(this));
            Loading = new Coalesced<LogView>(() => reader.LoadAsync(this));
        }

        public string App { get; }

        public Coalesced<LogView> Reading { get; }

        public Coalesced<LogView> Loading { get; }

        public LogView? View => _view;

        /// <summary>The copy has this version or a newer one, as far as is known.</summary>
        public long Published => Interlocked.Read(ref _published);

        public void Confirm(long version) => Interlocked.Exchange(ref _published, version);

        public void Doubt() => Interlocked.Exchange(ref _published, 0);

        /// <summary>The newer of both.</summary>
        public LogView Take(LogView view)
        {
            lock (_lock)
            {
                if (_view is null || _view.Version <= view.Version)
                    _view = view;
                return _view;
            }
        }
    }
}
