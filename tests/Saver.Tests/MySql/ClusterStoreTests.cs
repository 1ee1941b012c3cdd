using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.MySql;
using PushSystem.Saver.Redis;
using PushSystem.Saver.Tests.Contracts;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Saver.Tests.MySql;

[Collection("mysql")]
public sealed class ClusterBroadcastLogTests(MySqlServers servers) : BroadcastLogContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await ClusterStoreUnderTest.OpenAsync(servers.Database, servers.Redis);
}

[Collection("mysql")]
public sealed class ClusterSmallStoresTests(MySqlServers servers) : SmallStoresContract
{
    protected override async Task<IStoreUnderTest> OpenAsync() => await ClusterStoreUnderTest.OpenAsync(servers.Database, servers.Redis);
}

[Collection("mysql")]
public sealed class ClusterStoreTests(MySqlServers servers)
{
    private static CancellationToken None => CancellationToken.None;

    [Theory]
    [InlineData("No.Such.Factory, Nowhere", "No.Such.Factory")]
    [InlineData("System.String", "DbProviderFactory")]
    public async Task A_provider_that_is_none_is_refused_with_its_name(string provider, string word)
    {
        await using var link = await LinkAsync(servers.Redis);
        var options = new MySqlOptions { Provider = provider, ConnectionString = "Server=127.0.0.1" };

        Assert.Contains(word, (await Assert.ThrowsAsync<ArgumentException>(() => OpenAsync(options, link))).Message);
    }

    [Fact]
    public async Task A_key_of_a_broadcast_or_a_multicast_is_taken_for_appends_and_the_other_way_round()
    {
        await using var store = await ClusterStoreUnderTest.OpenAsync(servers.Database, servers.Redis);
        await store.Apps.SaveAsync(new AppRecord { Id = "shop" }, 0, None);
        var claim = new IdempotencyClaim("first", new byte[32]);
        var draft = await MulticastAsync(store);
        Assert.Equal(WriteStatus.Stored, (await store.Multicasts.SealAsync("shop", draft, 1, claim, None)).Status);
        Assert.Equal(WriteStatus.Conflict, await AppendAsync(store, claim));
        var other = claim with { Key = "second" };
        Assert.Equal(WriteStatus.Stored, await AppendAsync(store, other));
        Assert.Equal(WriteStatus.Replayed, await AppendAsync(store, other));
        Assert.Equal(WriteStatus.Conflict, (await store.Multicasts.SealAsync("shop", await MulticastAsync(store), 1, other, None)).Status);
        Assert.Equal(WriteStatus.Conflict, (await store.Broadcasts.AppendAsync(new BroadcastDraft("shop", PayloadKind.Text, "x"u8.ToArray(), null, 0, other), None)).Status);

        Assert.Equal(WriteStatus.Replayed, (await store.Multicasts.SealAsync("shop", await MulticastAsync(store), 1, claim, None)).Status);
    }

    [Fact]
    public async Task The_health_text_names_the_tier_that_is_away_and_is_empty_again_afterwards()
    {
        await using var database = await MariaDbServer.StartAsync();
        await using var redis = await RedisServer.StartAsync();
        await using var link = await LinkAsync(redis);
        var apps = new MemoryApps();
        await apps.SaveAsync(new AppRecord { Id = "shop" }, 0, None);
        await using var store = await OpenAsync(new MySqlOptions { ConnectionString = await MySqlServers.CreateAsync(database), Deadline = TimeSpan.FromSeconds(2) }, link, apps);
        var request = new AppendRequest("shop", Durability.Stored, [new MessageDraft("ann", PayloadKind.Text, "a"u8.ToArray(), null)], null);
        Assert.Equal(WriteStatus.Stored, (await store.Mailboxes.AppendAsync(request, None)).Status);
        Assert.Equal(WriteStatus.Stored, (await store.Mailboxes.AppendAsync(request with { Level = Durability.Durable }, None)).Status);
        Assert.Null(store.Failure);
        await database.Kill();
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.Facts.GetAsync("a", "b", None));
        Assert.StartsWith("database: ", store.Failure);
        Assert.Equal(WriteStatus.Stored, (await store.Mailboxes.AppendAsync(request, None)).Status);
        await database.RestartAsync();
        await Waiting.Until(() => store.Facts.GetAsync("a", "b", None).AsTask().ContinueWith(task => task.IsCompletedSuccessfully).Result, "the database is back");

        Assert.Null(store.Failure);
    }

    private static Task<RedisLink> LinkAsync(RedisServer redis) =>
        RedisLink.OpenAsync(new RedisOptions { EndPoints = redis.EndPoint }, "saver", TimeProvider.System, NullLogger.Instance);

    private static Task<ClusterStore> OpenAsync(MySqlOptions options, IRedisLink link, MemoryApps? apps = null) => ClusterStore.OpenAsync(
        options, new ClusterSaverOptions(), link, apps ?? new MemoryApps(), 4, "saver-1", TimeProvider.System, NullLoggerFactory.Instance, None);

    private static async Task<long> MulticastAsync(ClusterStoreUnderTest store)
    {
        var draft = await store.Multicasts.CreateAsync(new MulticastDraft("shop", Durability.Durable, PayloadKind.Text, "x"u8.ToArray(), null, 0), None);
        await store.Multicasts.AddPartAsync("shop", draft.Id, 0, ["ann"], None);
        return draft.Id;
    }

    private static async Task<WriteStatus> AppendAsync(ClusterStoreUnderTest store, IdempotencyClaim claim) => (await store.Mailboxes.AppendAsync(
        new AppendRequest("shop", Durability.Stored, [new MessageDraft("ann", PayloadKind.Text, "a"u8.ToArray(), null)], claim), None)).Status;
}
