using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.MySql;
using PushSystem.Saver.Tests.Contracts;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Saver.Tests.MySql;

/// <summary>The stores over a database of their own. Several of them may share one, as savers do.</summary>
public sealed class MySqlStoreUnderTest : IWorkStoreUnderTest
{
    private readonly MemoryApps _apps;
    private readonly CursorMailboxes _mailboxes;
    private readonly RedisServer _redisServer;
    private readonly Action<MySqlOptions> _configure;
    private RedisLink? _redis;
    private MySqlStores? _stores;

    private MySqlStoreUnderTest(string connectionString, RedisServer redis, FakeClock clock, MemoryApps apps, CursorMailboxes mailboxes, Action<MySqlOptions> configure)
    {
        ConnectionString = connectionString;
        _redisServer = redis;
        Clock = clock;
        _apps = apps;
        _mailboxes = mailboxes;
        _configure = configure;
    }

    public string ConnectionString { get; }
    public FakeClock Clock { get; }
    internal MySqlStores Stores => _stores!;
    internal IRedisLink Redis => _redis!;
    public IMailboxes Mailboxes => _mailboxes;
    public IBroadcastLog Broadcasts => Stores.Broadcasts;
    public IEventQueue Events => Stores.Events;
    public IIdempotencyStore Idempotency => Stores.Idempotency;
    public IFactStore Facts => Stores.Facts;
    public IAppDirectory Apps => _apps;
    public IWorkClaims Claims => Stores.Claims;
    public IMulticasts Multicasts => Stores.Multicasts;

    /// <summary>The first saver of a new database; redis is emptied.</summary>
    public static async Task<MySqlStoreUnderTest> OpenAsync(MariaDbServer database, RedisServer redis, Action<MySqlOptions>? configure = null)
    {
        await redis.CliAsync("FLUSHALL");
        var store = new MySqlStoreUnderTest(
            await MySqlServers.CreateAsync(database), redis, new FakeClock(), new MemoryApps(), new CursorMailboxes(), configure ?? (_ => { }));
        await store.OpenStoresAsync();
        return store;
    }

    public static Task<MySqlStoreUnderTest> OpenAsync(MySqlServers servers, Action<MySqlOptions>? configure = null) =>
        OpenAsync(servers.Database, servers.Redis, configure);

    /// <summary>Another saver over the same database and redis.</summary>
    public async Task<MySqlStoreUnderTest> JoinAsync()
    {
        var other = new MySqlStoreUnderTest(ConnectionString, _redisServer, Clock, _apps, _mailboxes, _configure);
        await other.OpenStoresAsync();
        return other;
    }

    public async Task ReopenAsync()
    {
        await CloseAsync();
        await OpenStoresAsync();
    }

    public async Task SweepAsync()
    {
        while (await Stores.Sweeper.SweepAsync(CancellationToken.None))
        {
        }
    }

    public async Task<long> CountRowsAsync(string table) =>
        Convert.ToInt64(await MySqlServers.RunAsync(ConnectionString, $"SELECT COUNT(*) FROM {table}"));

    public async ValueTask DisposeAsync() => await CloseAsync();

    private async Task CloseAsync()
    {
        if (_stores is not null)
            await _stores.DisposeAsync();
        _stores = null;
        if (_redis is not null)
            await _redis.DisposeAsync();
        _redis = null;
    }

    private async Task OpenStoresAsync()
    {
        var options = new MySqlOptions { ConnectionString = ConnectionString };
        _configure(options);
        _redis = await RedisLink.OpenAsync(new RedisOptions { EndPoints = _redisServer.EndPoint }, "saver", TimeProvider.System, NullLogger.Instance);
        _stores = await MySqlStores.OpenAsync(options, _redis, 4, _apps, Clock, NullLogger.Instance, CancellationToken.None);
        _stores.Broadcasts.KnownUsers = _mailboxes;
        _mailboxes.Broadcasts = _stores.Broadcasts;
        _mailboxes.Answers = _stores.Idempotency;
    }
}
