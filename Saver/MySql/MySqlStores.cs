using System.Data.Common;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Redis;

namespace PushSystem.Saver.MySql;

/// <summary>
/// All stores over one database, with the schema brought up to date. Any thread. Owns the data source and the stores; the link to redis is the
/// caller's and outlives it. Disposed by the cluster store after the mailboxes.
/// </summary>
internal sealed class MySqlStores : IAsyncDisposable
{
    private readonly MySqlMetrics _metrics = new();
    private readonly SqlLink _link;
    private readonly ILogger _logger;

    private MySqlStores(
        DbDataSource source, MySqlOptions options, IRedisLink redis, int partitions, IAppDirectory apps, TimeProvider clock, ILogger logger)
    {
        Source = source;
        _logger = logger;
        _link = new SqlLink(source, options, _metrics, logger);
        var keys = new SharedKeys(redis, partitions, _link, clock);
        Claims = new MySqlWorkClaims(_link);
        Facts = new MySqlFactStore(_link);
        Idempotency = new MySqlIdempotencyStore(_link, keys, apps, clock);
        Events = new MySqlEventQueue(_link, apps, clock);
        Multicasts = new MySqlMulticasts(_link, keys, apps, clock);
        Broadcasts = new MySqlBroadcastLog(_link, redis, keys, apps, clock);
        Sweeper = new MySqlSweeper(_link, Broadcasts, clock);
        _metrics.Observe("push_saver_sql_calls", null, "Calls to the database under way or waiting", () => [new Measurement<long>(_link.Calls)]);
    }

    /// <summary>For the landing of the mailboxes.</summary>
    public DbDataSource Source { get; }
    public MySqlWorkClaims Claims { get; }
    public MySqlFactStore Facts { get; }
    public MySqlIdempotencyStore Idempotency { get; }
    public MySqlEventQueue Events { get; }
    public MySqlMulticasts Multicasts { get; }
    public MySqlBroadcastLog Broadcasts { get; }
    public MySqlSweeper Sweeper { get; }

    /// <summary>Null when the database answered the last call, otherwise why not.</summary>
    public string? Failure => _link.Failure;

    /// <summary>
    /// Opens the database and applies the schema. Throws <see cref="StoreUnavailableException"/> when there is no database now,
    /// <see cref="InvalidDataException"/> when it is not one that this program can use, <see cref="ArgumentException"/> for bad options.
    /// </summary>
    public static async Task<MySqlStores> OpenAsync(
        MySqlOptions options, IRedisLink redis, int partitions, IAppDirectory apps, TimeProvider clock, ILogger logger, CancellationToken cancellationToken)
    {
        options.Validate();
        var source = CreateSource(options);
        try
        {
            var version = await new SchemaRunner(source, options, clock, logger).ApplyAsync(SqlScript.Embedded(), cancellationToken);
            var stores = new MySqlStores(source, options, redis, partitions, apps, clock, logger);
            SaverLog.ClusterStoreOpened(logger, options.Provider, version);
            return stores;
        }
        catch
        {
            await source.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        // Who uses others goes before them.
        await Sweeper.DisposeAsync();
        await Broadcasts.DisposeAsync();
        await Multicasts.DisposeAsync();
        await Events.DisposeAsync();
        await Facts.DisposeAsync();
        await Claims.DisposeAsync();
        await Source.DisposeAsync();
        _metrics.Dispose();
        SaverLog.ClusterStoreClosed(_logger);
    }

    private static DbDataSource CreateSource(MySqlOptions options)
    {
        var type = Type.GetType(options.Provider, throwOnError: false)
            ?? throw new ArgumentException($"Saver:MySql:Provider: the type '{options.Provider}' was not found; is its assembly beside the program?");
        var factory = type.GetField("Instance")?.GetValue(null) as DbProviderFactory
            ?? throw new ArgumentException($"Saver:MySql:Provider: '{options.Provider}' is no DbProviderFactory with a static field Instance.");
        return factory.CreateDataSource(options.ConnectionString);
    }
}
