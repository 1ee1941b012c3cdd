using System.Text.Json;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Configuration;
using PushSystem.Cluster.Etcd;
using PushSystem.Contracts;

namespace PushSystem.Cluster.Apps;

/// <summary>How an <see cref="EtcdAppDirectory"/> starts. Immutable.</summary>
public sealed record AppDirectoryOptions
{
    /// <summary>File of the last good apps (encrypted as in etcd); null = none is kept. Default null.</summary>
    public string? LastGoodPath { get; init; }

    /// <summary>How long the start waits for etcd before it takes the file. Default 5 s.</summary>
    public TimeSpan StartWait { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// The apps of a cluster: encrypted values in etcd, all of them in memory here. A record's revision is the mod_revision of its key.
/// Owns the mirror of the apps, the writer of the file and the metrics, not the cipher; any thread reads, the watch's thread and
/// savers change; whoever started it disposes it.
/// </summary>
public sealed class EtcdAppDirectory : IAppDirectory, IAsyncDisposable
{
    private readonly AppStore _store;
    private readonly string _prefix;
    private readonly string _cluster;
    private readonly AppDirectoryOptions _options;
    private readonly ILogger _logger;
    private readonly IEtcdMirror _mirror;
    private readonly LastGoodWriter? _writer;
    private readonly AppDirectoryMetrics _metrics;
    private readonly Lock _changing = new();
    private Dictionary<string, Known> _known = [];
    private long _seenRevision;
    private volatile bool _isFromDisk;
    private volatile int _unreadable;
    private volatile AppsView _view = AppsView.Empty;

    private EtcdAppDirectory(IEtcd etcd, ClusterKeys keys, AppCipher cipher, AppDirectoryOptions options, TimeProvider time, ILogger logger)
    {
        (_store, _prefix, _cluster, _options, _logger) = (new AppStore(etcd, keys, cipher), keys.Apps, keys.Root, options, logger);
        _metrics = new AppDirectoryMetrics(() => _view.All.Count, () => _unreadable, () => _isFromDisk ? 1 : 0);
        _writer = options.LastGoodPath is null ? null : new LastGoodWriter(options.LastGoodPath, _cluster, time, logger);
        _mirror = etcd.Mirror(_prefix);
        _mirror.Changed += (_, now) => Take(now);
    }

    /// <inheritdoc/>
    public event Action<string>? Changed;

    /// <inheritdoc/>
    public IReadOnlyList<AppRecord> All => _view.All;

    /// <summary>The apps were read from disk, because etcd was away at the start and still is.</summary>
    public bool IsFromDisk => _isFromDisk;

    /// <inheritdoc/>
    public AppRecord? Find(string id) => _view.Find(id);

    /// <inheritdoc/>
    public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash) => _view.FindByHash(hash);

    /// <summary>
    /// Completes when the apps are known: from etcd, or from the disk when etcd does not answer in time. With neither it goes on
    /// waiting for etcd.
    /// </summary>
    public static async Task<EtcdAppDirectory> StartAsync(
        IEtcd etcd, ClusterKeys keys, AppCipher cipher, AppDirectoryOptions options, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var directory = new EtcdAppDirectory(etcd, keys, cipher, options, time, logger);
        try
        {
            await directory.FillAsync(time, cancellationToken);
            return directory;
        }
        catch
        {
            await directory.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(app);
        ArgumentOutOfRangeException.ThrowIfNegative(expectedRevision);
        AppRecordCheck.Validate(app);
        foreach (var key in app.ApiKeys)
        {
            if (_view.FindByHash(key.Hash.Span) is { } owner && owner.Id != app.Id)
                throw new ArgumentException($"apiKeys: the key '{key.Id}' belongs to another app", nameof(app));
        }
        // The caller's lists and memory may change later.
        var json = AppRecordJson.Write(app);
        long revision;
        try
        {
            if (await _store.WriteAsync(app.Id, json, expectedRevision, cancellationToken) is not { } committed)
            {
                // Whoever is refused will look at the newer version next.
                await _mirror.RefreshAsync(cancellationToken);
                return null;
            }
            revision = committed;
        }
        catch (EtcdException exception)
        {
            throw new StoreUnavailableException($"app '{app.Id}' could not be stored: {exception.Message}", exception);
        }
        var stored = AppRecordJson.Read(app.Id, revision, json);
        lock (_changing)
        {
            if (_known.GetValueOrDefault(app.Id) is not { } known || known.Revision < revision)
            {
                _known[app.Id] = new Known(revision, stored, IsReadable: true, IsFromDisk: false);
                Publish([app.Id]);
            }
        }
        return stored;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _mirror.DisposeAsync();
        if (_writer is not null)
            await _writer.DisposeAsync();
        _metrics.Dispose();
    }

    private async Task FillAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        try
        {
            await _mirror.Ready.WaitAsync(_options.StartWait, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            if (TakeFromDisk())
                return;
            await _mirror.Ready.WaitAsync(cancellationToken);
        }
        Take(_mirror.Current);
    }

    private void Take(EtcdSnapshot snapshot)
    {
        lock (_changing)
        {
            if (snapshot.Revision <= _seenRevision)
                return;
            _seenRevision = snapshot.Revision;
            _isFromDisk = false;
            TakeEntries(isFromDisk: false, snapshot.Revision, snapshot.Entries.Values
                .Where(entry => entry.Key.StartsWith(_prefix, StringComparison.Ordinal))
                .Select(entry => new SavedApp(entry.Key[_prefix.Length..], entry.ModRevision, entry.Value)));
            _writer?.Save(snapshot.Revision, () => JsonSerializer.SerializeToUtf8Bytes(snapshot.Entries.Values
                .Select(entry => new SavedApp(entry.Key[_prefix.Length..], entry.ModRevision, entry.Value)).ToArray()));
        }
    }

    private void TakeEntries(bool isFromDisk, long revision, IEnumerable<SavedApp> entries)
    {
        var next = new Dictionary<string, Known>();
        var changed = new List<string>();
        foreach (var entry in entries)
        {
            var before = _known.GetValueOrDefault(entry.Id);
            var now = before is not null && before.IsNewerThan(entry.Revision, isFromDisk) ? before : Read(entry, before, isFromDisk);
            next[entry.Id] = now;
            if (now.Record != before?.Record)
                changed.Add(entry.Id);
        }
        foreach (var (id, before) in _known)
        {
            if (next.ContainsKey(id))
                continue;
            // An own write that the watch has not brought yet.
            if (!before.IsFromDisk && before.Revision > revision)
                next[id] = before;
            else if (before.Record is not null)
                changed.Add(id);
        }
        _known = next;
        if (changed.Count > 0)
            Publish(changed);
        _unreadable = next.Values.Count(known => !known.IsReadable);
    }

    // One app that cannot be read must not take the others with it; if it was read before, it stays as it was.
    private Known Read(SavedApp entry, Known? before, bool isFromDisk)
    {
        if (_store.TryOpen(entry.Id, entry.Revision, entry.Value.Span, out var reason) is { } record)
            return new Known(entry.Revision, record, IsReadable: true, isFromDisk);
        ClusterLog.AppUnreadable(_logger, entry.Id, entry.Revision, reason);
        return new Known(entry.Revision, before?.Record, IsReadable: false, isFromDisk);
    }

    private void Publish(List<string> changed)
    {
        _view = new AppsView(
            _known.Values.Select(known => known.Record).OfType<AppRecord>(), (first, second) => ClusterLog.ApiKeyHeldTwice(_logger, first.Id, second.Id));
        foreach (var id in changed)
        {
            foreach (var handler in Delegate.EnumerateInvocationList(Changed))
            {
                try
                {
                    handler(id);
                }
                catch (Exception exception)
                {
                    ClusterLog.ChangeHandlerFailed(_logger, exception);
                }
            }
        }
    }

    private bool TakeFromDisk()
    {
        var problem = "";
        if (_options.LastGoodPath is { } path && LastGoodFile.Read(path, _cluster, out problem) is { } saved)
        {
            try
            {
                var apps = JsonSerializer.Deserialize<SavedApp[]>(saved.Content) ?? [];
                lock (_changing)
                {
                    if (_seenRevision > 0)
                        return true;
                    TakeEntries(isFromDisk: true, saved.Revision, apps);
                    _isFromDisk = true;
                }
                ClusterLog.AppsFromDisk(_logger, All.Count, saved.Revision, path);
                return true;
            }
            catch (JsonException exception)
            {
                problem = exception.Message;
            }
        }
        ClusterLog.WaitingForApps(_logger, _options.LastGoodPath ?? "(no file)", problem.Length > 0 ? $" ({problem})" : "");
        return false;
    }

    private sealed record Known(long Revision, AppRecord? Record, bool IsReadable, bool IsFromDisk)
    {
        // An own write may be newer than what the watch has brought. The disk may hold revisions that a restored etcd never had.
        public bool IsNewerThan(long revision, bool isFromDisk) =>
            IsFromDisk && !isFromDisk ? Revision == revision : Revision >= revision;
    }

    private sealed record SavedApp(string Id, long Revision, ReadOnlyMemory<byte> Value);
}
