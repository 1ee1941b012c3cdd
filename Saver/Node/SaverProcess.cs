using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Configuration;
using PushSystem.Contracts;
using PushSystem.Hosting.Nodes;
using PushSystem.Redis;
using PushSystem.Remote;
using PushSystem.Saver.MySql;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver;

/// <summary>
/// A saver as a process of its own: mailboxes in redis that land in MySQL, and the stores of the other components.
/// Owns the link to redis and the stores; the host calls it on one thread; the host disposes it.
/// </summary>
internal sealed class SaverProcess : NodeRole
{
    private static readonly TimeSpan StartRetry = TimeSpan.FromSeconds(1);

    private readonly SaverNodeOptions _file;
    private readonly ClusterSaverOptions _options = new();
    private readonly OptionsOverlay<ClusterSaverOptions, SaverSection> _overlay;
    private readonly MySqlOptions _database;
    private readonly OptionsOverlay<MySqlOptions, SaverSection> _databaseOverlay;
    private RedisLink? _redis;
    private ClusterStore? _store;

    public SaverProcess(SaverNodeOptions file)
    {
        _file = file;
        _database = file.Sql.ToOptions();
        _overlay = new OptionsOverlay<ClusterSaverOptions, SaverSection>(_options);
        _databaseOverlay = new OptionsOverlay<MySqlOptions, SaverSection>(_database);
    }

    public override void Check(ClusterConfiguration configuration)
    {
        _overlay.Check(configuration.Saver, static options => options.Validate());
        _databaseOverlay.Check(configuration.Saver, static options => options.Validate());
    }

    public override async ValueTask PrepareAsync(NodeHost host, CancellationToken cancellationToken)
    {
        host.Lay(_overlay, configuration => configuration.Saver);
        host.Lay(_databaseOverlay, configuration => configuration.Saver);
        _redis = await RedisLink.OpenAsync(_file.Redis.ToOptions(), "mailboxes", host.Time, host.Loggers.CreateLogger<RedisLink>());
        _store = await OpenAsync(host, cancellationToken);
        host.Health.AddCheck("redis", () => _store.RedisFailure);
        host.Health.AddCheck("database", () => _store.DatabaseFailure);
        host.Methods.AddSaver(
            _store.Mailboxes, _store.Broadcasts, _store.Multicasts, _store.Events, _store.Facts, _store.Idempotency, _store.Claims);
    }

    public override ValueTask StartAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public override async ValueTask DisposeAsync()
    {
        if (_store is not null)
            await _store.DisposeAsync();
        if (_redis is not null)
            await _redis.DisposeAsync();
    }

    private async Task<ClusterStore> OpenAsync(NodeHost host, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await ClusterStore.OpenAsync(
                    _database, _options, _redis!, host.Apps, host.Layout.Partitions, _file.Node, host.Time, host.Loggers, cancellationToken);
            }
            catch (StoreUnavailableException exception)
            {
                SaverNodeLog.WaitingForDatabase(host.Loggers.CreateLogger<SaverProcess>(), exception.Message);
            }
            await Task.Delay(StartRetry, host.Time, cancellationToken);
        }
    }
}

internal static partial class SaverNodeLog
{
    [LoggerMessage(4400, LogLevel.Warning, "The saver waits for its database: {Reason}")]
    public static partial void WaitingForDatabase(ILogger logger, string reason);
}
