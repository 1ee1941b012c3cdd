using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.MySql;
using PushSystem.Saver.Redis;
using PushSystem.Saver.Tests.Contracts;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Saver.Tests.MySql;

/// <summary>All of a saver, as a process composes it.</summary>
public sealed class ClusterStoreUnderTest : IWorkStoreUnderTest
{
    private const int Partitions = 4;

    private readonly MemoryApps _apps = new();
    private readonly RedisServer _redisServer;
    private readonly string _connectionString;
    private RedisLink? _redis;
    private ClusterStore? _store;

    private ClusterStoreUnderTest(string connectionString, RedisServer redis) => (_connectionString, _redisServer) = (connectionString, redis);

    public FakeClock Clock { get; } = new();
    public ClusterStore Store => _store!;
    public IMailboxes Mailboxes => Store.Mailboxes;
    public IBroadcastLog Broadcasts => Store.Broadcasts;
    public IEventQueue Events => Store.Events;
    public IIdempotencyStore Idempotency => Store.Idempotency;
    public IFactStore Facts => Store.Facts;
    public IWorkClaims Claims => Store.Claims;
    public IMulticasts Multicasts => Store.Multicasts;
    public IAppDirectory Apps => _apps;

    public static async Task<ClusterStoreUnderTest> OpenAsync(MariaDbServer database, RedisServer redis)
    {
        await redis.CliAsync("FLUSHALL");
        var store = new ClusterStoreUnderTest(await MySqlServers.CreateAsync(database), redis);
        await store.OpenStoreAsync();
        return store;
    }

    public async Task ReopenAsync()
    {
        await DisposeAsync();
        await OpenStoreAsync();
    }

    public async Task SweepAsync()
    {
        while (await Store.SweepAsync(CancellationToken.None))
        {
        }
    }

    public async Task<long> CountRowsAsync(string table) =>
        Convert.ToInt64(await MySqlServers.RunAsync(_connectionString, $"SELECT COUNT(*) FROM {table}"));

    public async ValueTask DisposeAsync()
    {
        if (_store is not null)
            await _store.DisposeAsync();
        if (_redis is not null)
            await _redis.DisposeAsync();
        (_store, _redis) = (null, null);
    }

    private async Task OpenStoreAsync()
    {
        _redis = await RedisLink.OpenAsync(new RedisOptions { EndPoints = _redisServer.EndPoint }, "saver", TimeProvider.System, NullLogger.Instance);
        _store = await ClusterStore.OpenAsync(
            new MySqlOptions { ConnectionString = _connectionString }, new ClusterSaverOptions(), _redis, _apps, Partitions, "saver-1", Clock,
            NullLoggerFactory.Instance, CancellationToken.None);
    }
}
