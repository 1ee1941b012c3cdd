using PushSystem.Contracts;
using PushSystem.Register.Redis;
using PushSystem.Register.Tests.Support;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Register.Tests.Redis;

/// <summary>A redis that forgets, restarts, fails over or falls silent under the registry.</summary>
public sealed class RegistryFaultTests : IAsyncLifetime
{
    private readonly FakeRooms _rooms = new();
    private RedisServer _redis = null!;
    private RedisRegistries _registries = null!;

    public async ValueTask InitializeAsync()
    {
        _rooms.Add("r1", 10);
        _redis = await RedisServer.StartAsync(SingleServer.Settings);
        _registries = new RedisRegistries(_redis.EndPoint, _rooms, TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        await _registries.DisposeAsync();
        await _redis.DisposeAsync();
    }

    [Fact]
    public async Task Forgotten_scripts_are_no_failure()
    {
        var registry = await _registries.OpenAsync();
        for (ulong connection = 1; connection <= 3; connection++)
        {
            await BindAsync(registry, Entry("ann", connection));
            await _redis.CliAsync("script", "flush");
            Assert.Equal(connection, (await LookupAsync(registry, "ann"))!.Connection);
            await _redis.CliAsync("script", "flush");
            Assert.False((await registry.UnbindAsync([Entry("ann", 99)], default))[0]);
        }
    }

    [Fact]
    public async Task After_a_restart_the_numbers_of_all_parts_change_for_all_registers_alike()
    {
        var registry = await _registries.OpenAsync();
        var other = await _registries.OpenAsync();
        var before = await registry.EpochsAsync(default);
        var bound = await BindAsync(registry, Entry("ann", 1));
        await _redis.CliAsync("bgrewriteaof");
        await _redis.CliAsync("shutdown", "save");
        await _redis.RestartAsync();

        Assert.Equal(bound.Generation, (await WhenBack.RunAsync(() => LookupAsync(registry, "ann")))!.Generation);
        var after = await WhenBack.RunAsync(() => ChangedAsync(registry, before));
        Assert.All(before.Zip(after), pair => Assert.NotEqual(pair.First, pair.Second));
        Assert.Equal(after, await WhenBack.RunAsync(() => ChangedAsync(other, before)));
    }

    [Fact]
    public async Task An_empty_redis_is_filled_by_the_rooms_and_generations_go_on()
    {
        var registry = await _registries.OpenAsync();
        var before = await registry.EpochsAsync(default);
        var ann = Entry("ann", 1) with { Generation = (await BindAsync(registry, Entry("ann", 1))).Generation };
        // Ahead of the clock, as after many logins or under a clock that was set back.
        var bob = Entry("bob", 2) with { Generation = ann.Generation + 3_600_000_000 };
        bob = bob with { Generation = (await BindAsync(registry, bob)).Generation };
        await _redis.WipeAndRestartAsync();

        Assert.Null(await WhenBack.RunAsync(() => LookupAsync(registry, "ann")));
        var after = await WhenBack.RunAsync(() => ChangedAsync(registry, before));
        Assert.All(before.Zip(after), pair => Assert.NotEqual(pair.First, pair.Second));
        // bob logged in elsewhere before his old room came to bind him again.
        var newer = await BindAsync(registry, Entry("bob", 3));
        var replies = await registry.BindAsync([ann, bob], default);
        Assert.True(newer.Generation > bob.Generation);
        Assert.True(replies[0].Generation > ann.Generation);
        Assert.Equal(default, replies[1]);
        Assert.Equal(3ul, (await LookupAsync(registry, "bob"))!.Connection);
        Assert.Equal(2, await registry.CountAsync("shop", default));
    }

    [Fact]
    public async Task A_promoted_replica_that_missed_writes_has_other_numbers()
    {
        await using var replica = await RedisServer.StartReplicaAsync(_redis, SingleServer.Settings);
        await using var promoted = new RedisRegistries(replica.EndPoint, _rooms, TimeProvider.System);
        var registry = await _registries.OpenAsync();
        var before = await registry.EpochsAsync(default);
        await BindAsync(registry, Entry("ann", 1));
        var size = await _redis.CliAsync("dbsize");
        while (await replica.CliAsync("dbsize") != size)
            await Task.Yield();
        await replica.CliAsync("replicaof", "no", "one");
        var lost = Entry("bob", 2) with { Generation = (await BindAsync(registry, Entry("bob", 2))).Generation };
        await _redis.Kill();
        var survivor = await promoted.OpenAsync(options => options.KeyPrefix = _registries.Prefix);

        var after = await survivor.EpochsAsync(default);
        Assert.All(before.Zip(after), pair => Assert.NotEqual(pair.First, pair.Second));
        Assert.NotNull(await LookupAsync(survivor, "ann"));
        Assert.Null(await LookupAsync(survivor, "bob"));
        Assert.True((await BindAsync(survivor, lost)).Generation > lost.Generation);
    }

    [Fact]
    public async Task A_silent_redis_fails_calls_in_time_and_a_late_login_is_not_done_afterwards()
    {
        var registry = await _registries.OpenAsync(
            options =>
            {
                options.CallTimeout = TimeSpan.FromMilliseconds(200);
                options.MaxWaiting = 1_000;
            },
            link =>
            {
                link.Timeout = TimeSpan.FromMilliseconds(200);
                link.SilenceLimit = TimeSpan.FromMinutes(1);
            });
        using var metrics = new Measurements();
        await BindAsync(registry, Entry("ann", 1));
        _redis.Stop();
        var calls = Enumerable.Range(0, 3_000).Select(i => BindAsync(registry, Entry("ann", 100 + (ulong)i))).ToArray();
        foreach (var call in calls)
            await Assert.ThrowsAsync<StoreUnavailableException>(() => call);
        Assert.True(metrics["push_register_overflow"] >= 2_000);
        _redis.Continue();

        // Answers come in the order of requests: when this one is there, all that redis found in its sockets is done with.
        Assert.Equal(1ul, (await WhenBack.RunAsync(() => LookupAsync(registry, "ann")))!.Connection);
        Assert.Equal(2ul, (await BindAsync(registry, Entry("ann", 2))).Generation > 0 ? (await LookupAsync(registry, "ann"))!.Connection : 0);
    }

    [Fact]
    public async Task After_ten_seconds_of_silence_everything_goes_on()
    {
        var registry = await _registries.OpenAsync();
        var before = await registry.EpochsAsync(default);
        await BindAsync(registry, Entry("ann", 1));
        _redis.Stop();
        var started = TimeProvider.System.GetTimestamp();
        var failures = 0;
        while (TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(10))
        {
            var calls = Enumerable.Range(0, 50).Select(i => LookupAsync(registry, $"user{i}")).ToArray();
            foreach (var call in calls)
                await Assert.ThrowsAsync<StoreUnavailableException>(() => call);
            failures += calls.Length;
            Assert.Equal(before, await registry.EpochsAsync(default));
        }
        Assert.True(failures > 0);
        _redis.Continue();

        Assert.Equal(1ul, (await WhenBack.RunAsync(() => LookupAsync(registry, "ann")))!.Connection);
        Assert.Equal(before, await registry.EpochsAsync(default));
        Assert.Null(registry.Failure);
    }

    [Fact]
    public async Task Without_redis_everything_says_so_and_nothing_is_invented()
    {
        var registry = await _registries.OpenAsync();
        await _redis.Kill();

        await Assert.ThrowsAsync<StoreUnavailableException>(() => BindAsync(registry, Entry("ann", 1)));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => LookupAsync(registry, "ann"));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => registry.UnbindAsync([Entry("ann", 1)], default).AsTask());
        await Assert.ThrowsAsync<StoreUnavailableException>(() => registry.CountAsync("shop", default).AsTask());
        await Assert.ThrowsAsync<StoreUnavailableException>(() => registry.EpochsAsync(default).AsTask());
        Assert.NotNull(registry.Failure);
    }

    private static SessionEntry Entry(string user, ulong connection) =>
        new() { Key = new UserKey("shop", user), Room = "r1", Incarnation = 10, Connection = connection };

    private static async Task<BindReply> BindAsync(RedisSessionRegistry registry, SessionEntry entry) => (await registry.BindAsync([entry], default))[0];

    private static async Task<SessionEntry?> LookupAsync(RedisSessionRegistry registry, string user) =>
        (await registry.LookupAsync([new UserKey("shop", user)], default))[0];

    /// <summary>The numbers as soon as they differ: until redis is asked again, the last ones stand.</summary>
    private static async Task<IReadOnlyList<long>> ChangedAsync(RedisSessionRegistry registry, IReadOnlyList<long> before)
    {
        var now = await registry.EpochsAsync(default);
        return now.Zip(before).All(pair => pair.First != pair.Second) ? now : throw new StoreUnavailableException("not changed yet");
    }
}
