using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Configuration;

/// <summary>Where the configuration in force comes from.</summary>
public enum ConfigurationOrigin
{
    /// <summary>etcd holds none: defaults.</summary>
    Defaults,
    /// <summary>etcd.</summary>
    Etcd,
    /// <summary>The disk: etcd was away at the start.</summary>
    Disk,
}

/// <summary>How a <see cref="ConfigurationSource"/> starts and what it demands. Immutable.</summary>
public sealed record ConfigurationSourceOptions
{
    /// <summary>File of the last good configuration; null = none is kept. Default null.</summary>
    public string? LastGoodPath { get; init; }

    /// <summary>How long the start waits for etcd before it takes the file. Default 5 s.</summary>
    public TimeSpan StartWait { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// What the process itself demands of a configuration beyond its own rules: throws, with the reason, when it cannot live with it.
    /// Must be pure. Default: nothing.
    /// </summary>
    public Action<ClusterConfiguration>? Check { get; init; }
}

/// <summary>
/// The configuration in force. A document from etcd is parsed and checked, and only then swapped in as a whole; a bad one is rejected
/// with a log line and a metric, and the old one stays. Without etcd a node starts with the last good one of its disk.
/// Owns the mirror of the document, the writer of the file and the metrics; any thread reads, the watch's thread changes; whoever
/// started it disposes it.
/// </summary>
public sealed class ConfigurationSource : IAsyncDisposable
{
    private readonly string _key;
    private readonly string _cluster;
    private readonly ConfigurationSourceOptions _options;
    private readonly ILogger _logger;
    private readonly IEtcdMirror _mirror;
    private readonly LastGoodWriter? _writer;
    private readonly ConfigurationMetrics _metrics;
    private readonly Lock _taking = new();
    private volatile InForce? _current;
    private long _seenRevision;
    private long _rejectedRevision;
    private ConfigurationException? _rejection;

    private ConfigurationSource(IEtcd etcd, ClusterKeys keys, ConfigurationSourceOptions options, TimeProvider time, ILogger logger)
    {
        (_key, _cluster, _options, _logger) = (keys.Configuration, keys.Root, options, logger);
        _metrics = new ConfigurationMetrics(() => _current?.Revision ?? 0, () => _current is { Origin: ConfigurationOrigin.Disk } ? 1 : 0);
        _writer = options.LastGoodPath is null ? null : new LastGoodWriter(options.LastGoodPath, _cluster, time, logger);
        _mirror = etcd.Mirror(_key);
        _mirror.Changed += (_, now) => Take(now);
    }

    /// <summary>The configuration in force.</summary>
    public ClusterConfiguration Current => _current!.Configuration;

    /// <summary>The document's revision (mod_revision of its key), 0 = defaults.</summary>
    public long Revision => _current!.Revision;

    /// <summary>Where it comes from.</summary>
    public ConfigurationOrigin Origin => _current!.Origin;

    /// <summary>
    /// Told after a change is in force, with the configuration before and after it, one at a time and in order. Handlers must not wait
    /// and must not throw.
    /// </summary>
    public event Action<ClusterConfiguration, ClusterConfiguration>? Changed;

    /// <summary>
    /// Completes when there is a configuration: etcd's (or defaults, when etcd holds none), or the disk's when etcd does not answer in
    /// time. With neither it goes on waiting for etcd. Throws <see cref="ConfigurationException"/> when etcd's is not valid and no
    /// earlier one is on disk.
    /// </summary>
    public static async Task<ConfigurationSource> StartAsync(
        IEtcd etcd, ClusterKeys keys, ConfigurationSourceOptions options, TimeProvider time, ILogger logger, CancellationToken cancellationToken)
    {
        var source = new ConfigurationSource(etcd, keys, options, time, logger);
        try
        {
            await source.FillAsync(time, cancellationToken);
            return source;
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
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
            if (TakeFromDisk() is { } revision)
            {
                ClusterLog.ConfigurationFromDisk(_logger, revision, _options.LastGoodPath!);
                return;
            }
            await _mirror.Ready.WaitAsync(cancellationToken);
        }
        Take(_mirror.Current);
        if (_current is null && TakeFromDisk() is null)
            throw _rejection!;
    }

    private void Take(EtcdSnapshot snapshot)
    {
        lock (_taking)
        {
            if (snapshot.Revision <= _seenRevision)
                return;
            _seenRevision = snapshot.Revision;
            var entry = snapshot.Entries.GetValueOrDefault(_key);
            var before = _current;
            var revision = entry?.ModRevision ?? 0;
            if (before is not null && before.Origin != ConfigurationOrigin.Disk && before.Revision == revision)
                return;
            InForce now;
            try
            {
                now = entry is null
                    ? new InForce(Checked(ClusterConfiguration.Empty), 0, ConfigurationOrigin.Defaults)
                    : new InForce(Read(entry.Value), revision, ConfigurationOrigin.Etcd);
            }
            catch (ConfigurationException exception)
            {
                Reject(revision, exception);
                return;
            }
            _current = now;
            _writer?.Save(revision, () => entry?.Value.ToArray() ?? []);
            Tell(before, now);
        }
    }

    private void Reject(long revision, ConfigurationException exception)
    {
        if (revision == _rejectedRevision && _rejection is not null)
            return;
        (_rejectedRevision, _rejection) = (revision, exception);
        _metrics.Rejected();
        ClusterLog.ConfigurationRejected(_logger, revision, _current?.Revision ?? 0, exception.Message);
    }

    private void Tell(InForce? before, InForce now)
    {
        var old = before?.Configuration ?? ClusterConfiguration.Empty;
        if (now.Origin == ConfigurationOrigin.Defaults)
            ClusterLog.ConfigurationAbsent(_logger);
        else
            ClusterLog.ConfigurationTaken(_logger, now.Revision, ConfigurationDiff.Between(old, now.Configuration).Count);
        // After a start from disk etcd may hold just what the disk held.
        if (before is null || before.Revision == now.Revision)
            return;
        foreach (var handler in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                handler(old, now.Configuration);
            }
            catch (Exception exception)
            {
                // The others must hear of it all the same.
                ClusterLog.ChangeHandlerFailed(_logger, exception);
            }
        }
    }

    // The revision, or null when there is nothing to use.
    private long? TakeFromDisk()
    {
        var problem = "";
        if (_options.LastGoodPath is { } path && LastGoodFile.Read(path, _cluster, out problem) is { } saved)
        {
            try
            {
                var configuration = saved.Revision == 0 ? Checked(ClusterConfiguration.Empty) : Read(saved.Content);
                lock (_taking)
                    _current ??= new InForce(configuration, saved.Revision, ConfigurationOrigin.Disk);
                return saved.Revision;
            }
            catch (ConfigurationException exception)
            {
                // Written by a later version, or the process demands more than before.
                problem = exception.Message;
            }
        }
        if (problem.Length > 0)
            ClusterLog.LastGoodUnusable(_logger, _options.LastGoodPath!, problem);
        if (!_mirror.Ready.IsCompleted)
            ClusterLog.WaitingForConfiguration(_logger, _options.LastGoodPath ?? "(no file)", problem.Length > 0 ? $" ({problem})" : "");
        return null;
    }

    private ClusterConfiguration Read(ReadOnlyMemory<byte> stored) => Checked(ClusterConfiguration.Parse(ConfigurationDocument.Unpack(stored)));

    private ClusterConfiguration Checked(ClusterConfiguration configuration)
    {
        try
        {
            _options.Check?.Invoke(configuration);
            return configuration;
        }
        catch (Exception exception) when (exception is not ConfigurationException)
        {
            throw new ConfigurationException("", 0, exception.Message);
        }
    }

    private sealed record InForce(ClusterConfiguration Configuration, long Revision, ConfigurationOrigin Origin);
}
