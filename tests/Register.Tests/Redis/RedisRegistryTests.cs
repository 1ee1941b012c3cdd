using PushSystem.Contracts;
using PushSystem.Register.Tests.Contracts;
using PushSystem.Register.Tests.Support;

namespace PushSystem.Register.Tests.Redis;

/// <summary>The contract over one redis.</summary>
public sealed class RedisRegistryTests(SingleServer server) : RedisRegistryContract(server.Redis.EndPoint), IClassFixture<SingleServer>;

/// <summary>The contract over a Redis Cluster.</summary>
public sealed class RedisClusterRegistryTests(ThreeMasters masters)
    : RedisRegistryContract(masters.Cluster.EndPoints), IClassFixture<ThreeMasters>;

/// <summary>The contract and what is special to redis, whatever its topology.</summary>
public abstract class RedisRegistryContract(string endPoints) : SessionRegistryContract
{
    private RedisRegistries? _registries;

    private protected RedisRegistries Registries => _registries ??= new RedisRegistries(endPoints, Rooms, Clock);

    protected override async Task<ISessionRegistry> OpenAsync() => await Registries.OpenAsync();

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        await Registries.DisposeAsync();
    }

    [Fact]
    public async Task Several_registers_are_one_registry()
    {
        var other = await Registries.OpenAsync();
        var first = await BindAsync(Entry("ann"));
        var second = (await other.BindAsync([Entry("ann", "r2", 20, 5)], None))[0];

        Assert.Equal(first.Generation, second.Previous!.Generation);
        Assert.Equal("r2", (await LookupAsync("ann"))!.Room);
        Assert.False(await UnbindAsync(Entry("ann")));
        Assert.True((await other.UnbindAsync([Entry("ann", "r2", 20, 5)], None))[0]);
        Assert.Equal(await Registry.EpochsAsync(None), await other.EpochsAsync(None));
    }

    [Fact]
    public async Task Of_binds_through_two_registers_at_once_exactly_one_stands()
    {
        var other = await Registries.OpenAsync();
        var replies = await Task.WhenAll(Enumerable.Range(1, 1_000).Select(async i =>
            (await (i % 2 == 0 ? other : Registry).BindAsync([Entry("ann", connection: (ulong)i)], None))[0]));

        Assert.Equal(1_000, replies.Select(reply => reply.Generation).Distinct().Count());
        Assert.Single(replies, reply => reply.Previous is null);
        Assert.All(replies, reply => Assert.True(reply.Previous is null || reply.Previous.Generation < reply.Generation));
        Assert.Equal(replies.Max(reply => reply.Generation), (await LookupAsync("ann"))!.Generation);
        Assert.Equal(1, await other.CountAsync(App, None));
    }

    [Fact]
    public async Task A_generation_ahead_of_the_clock_is_exceeded_by_every_register()
    {
        var other = await Registries.OpenAsync();
        var first = await BindAsync(Entry("ann"));
        var ahead = await BindAsync(Entry("ann") with { Generation = first.Generation + 3_600_000_000 });
        Assert.True(await UnbindAsync(Entry("ann")));

        Assert.True((await other.BindAsync([Entry("ann")], None))[0].Generation > ahead.Generation);
    }

    [Fact]
    public async Task Large_requests_go_in_several_scripts()
    {
        var entries = Enumerable.Range(0, 5_000).Select(i => Entry($"user{i}", connection: (ulong)i)).ToArray();
        var replies = await Registry.BindAsync(entries, None);
        var found = await Registry.LookupAsync([.. entries.Select(entry => entry.Key)], None);

        Assert.Equal(entries.Zip(replies, (entry, reply) => entry with { Generation = reply.Generation }), found);
        Assert.Equal(5_000, await Registry.CountAsync(App, None));
        Assert.All(await Registry.UnbindAsync(entries, None), Assert.True);
        Assert.Equal(0, await Registry.CountAsync(App, None));
    }
}
