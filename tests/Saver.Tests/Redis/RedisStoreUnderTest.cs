using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.Landing;
using PushSystem.Saver.Redis;
using PushSystem.Saver.Tests.Contracts;
using PushSystem.TestSupport;

namespace PushSystem.Saver.Tests.Redis;

/// <summary>Mailboxes over real servers that were emptied before. The clock stands still.</summary>
internal sealed class RedisStoreUnderTest : IStoreUnderTest
{
    private readonly MailboxServers _servers;
    private readonly int _partitions;
    private readonly ClusterSaverOptions _options;
    private readonly FakeApps _apps = new();
    private RedisLink? _link;
    private RedisMailboxes? _mailboxes;

    private RedisStoreUnderTest(MailboxServers servers, int partitions, ClusterSaverOptions options)
    {
        (_servers, _partitions, _options) = (servers, partitions, options);
        Broadcasts = new KnownUsersLog(() => Store);
    }

    public FakeClock Clock { get; } = new();
    public RedisMailboxes Store => _mailboxes!;
    public FakeBroadcastView View { get; } = new();
    public IMailboxes Mailboxes => Store;
    public IBroadcastLog Broadcasts { get; }
    public IAppDirectory Apps => _apps;
    public IEventQueue Events => throw new NotSupportedException();
    public IIdempotencyStore Idempotency => throw new NotSupportedException();
    public IFactStore Facts => throw new NotSupportedException();

    public static async Task<RedisStoreUnderTest> OpenAsync(MailboxServers servers, int partitions, Action<ClusterSaverOptions>? configure = null)
    {
        await servers.EmptyAsync();
        var options = new ClusterSaverOptions
        {
            Buckets = 16,
            StopTimeout = TimeSpan.FromMinutes(1),
            // The clock jumps while nothing lands.
            DurableLagAge = TimeSpan.FromDays(1),
        };
        configure?.Invoke(options);
        var store = new RedisStoreUnderTest(servers, partitions, options) { _link = await servers.LinkAsync(Patient) };
        await store.StartAsync();
        return store;
    }

    public async Task ReopenAsync()
    {
        await _mailboxes!.DisposeAsync();
        await StartAsync();
    }

    /// <summary>Goes on without having finished anything, as after the death of the process.</summary>
    public async Task CrashAsync()
    {
        await _mailboxes!.AbandonAsync();
        await StartAsync();
    }

    /// <summary>What waits in memory goes to redis, so that a crash has nothing to lose that the contract lets it lose.</summary>
    public Task FlushAsync() => Task.WhenAll(Store.Partitions.Select(partition => partition.FlushAsync(CancellationToken.None)));

    public Task SweepAsync() =>
        new LandingStore(_servers.Source, _options).SweepAsync(Clock.GetUtcNow().ToUnixTimeMilliseconds(), CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        if (_mailboxes is not null)
            await _mailboxes.DisposeAsync();
        if (_link is not null)
            await _link.DisposeAsync();
    }

    private static void Patient(RedisOptions options) => options.Timeout = TimeSpan.FromSeconds(20);

    private async Task StartAsync()
    {
        _mailboxes = new RedisMailboxes(
            _link!, _servers.Source, _apps, View, _partitions, "saver-1", _options, Clock, NullLoggerFactory.Instance);
        await _mailboxes.StartAsync(CancellationToken.None);
    }
}
