using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Register.Redis;
using PushSystem.Register.Tests.Support;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Register.Tests.Redis;

/// <summary>Entries of dead rooms, garbage, and how redis is set up.</summary>
public sealed class RegistrySweepTests(SingleServer server) : IClassFixture<SingleServer>, IAsyncLifetime
{
    private readonly FakeRooms _rooms = new();
    private RedisRegistries _registries = null!;

    public ValueTask InitializeAsync()
    {
        _rooms.Add("r1", 10);
        _rooms.Add("r2", 20);
        _registries = new RedisRegistries(server.Redis.EndPoint, _rooms, TimeProvider.System);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _registries.DisposeAsync();

    [Fact]
    public async Task A_dead_room_costs_no_write_and_its_entries_are_removed_in_the_second_round()
    {
        var registry = await _registries.OpenAsync(revision: () => 100);
        // It looks how redis is set up, which writes.
        await Waiting.For(registry.Sweeper.Probed, "redis is looked at");
        await registry.BindAsync([.. Enumerable.Range(0, 400).Select(i => Entry($"user{i}", i % 2 == 0 ? "r1" : "r2", i % 2 == 0 ? 10 : 20))], default);
        var writes = await WritesAsync();
        _rooms.Remove("r2");

        Assert.Equal(200, await registry.CountAsync("shop", default));
        Assert.Equal(20, (await LookupAsync(registry, "user1"))!.Incarnation);
        await registry.Sweeper.SweepAsync(default);
        Assert.Equal(400, registry.Sweeper.Entries);
        Assert.NotNull(await LookupAsync(registry, "user1"));
        Assert.Equal(writes, await WritesAsync());
        await registry.Sweeper.SweepAsync(default);
        Assert.Null(await LookupAsync(registry, "user1"));
        Assert.NotNull(await LookupAsync(registry, "user0"));
        await registry.Sweeper.SweepAsync(default);
        Assert.Equal(200, registry.Sweeper.Entries);
        Assert.Equal(200, await registry.CountAsync("shop", default));
    }

    [Fact]
    public async Task A_room_that_came_back_in_between_keeps_its_entries()
    {
        var registry = await _registries.OpenAsync(revision: () => 100);
        await registry.BindAsync([Entry("ann", "r2", 20)], default);
        _rooms.Remove("r2");
        await registry.Sweeper.SweepAsync(default);
        _rooms.Add("r2", 20);
        await registry.Sweeper.SweepAsync(default);
        _rooms.Remove("r2");
        await registry.Sweeper.SweepAsync(default);

        Assert.NotNull(await LookupAsync(registry, "ann"));
    }

    [Fact]
    public async Task A_room_that_is_newer_than_the_view_keeps_its_entries()
    {
        var revision = 29L;
        var registry = await _registries.OpenAsync(revision: () => revision);
        var unaware = await _registries.OpenAsync();
        await registry.BindAsync([Entry("ann", "r3", 30)], default);
        for (var round = 0; round < 3; round++)
        {
            await registry.Sweeper.SweepAsync(default);
            await unaware.Sweeper.SweepAsync(default);
        }
        Assert.NotNull(await LookupAsync(registry, "ann"));
        revision = 30;
        await registry.Sweeper.SweepAsync(default);
        await registry.Sweeper.SweepAsync(default);

        Assert.Null(await LookupAsync(registry, "ann"));
    }

    [Fact]
    public async Task A_lookup_of_an_entry_that_is_surely_dead_removes_it()
    {
        var registry = await _registries.OpenAsync(revision: () => 100);
        await registry.BindAsync([Entry("bob", "r2", 20)], default);
        _rooms.Remove("r2");
        await registry.Sweeper.SweepAsync(default);
        await registry.Sweeper.SweepAsync(default);
        // Bound late by a room that does not know yet that it is dead.
        await registry.BindAsync([Entry("ann", "r2", 20)], default);
        Assert.NotNull(await LookupAsync(registry, "ann"));
        var started = TimeProvider.System.GetTimestamp();
        while (await LookupAsync(registry, "ann") is not null)
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Waiting.Limit, "the entry is not removed");

        Assert.Equal(0, await HomesAsync());
    }

    [Fact]
    public async Task A_part_that_another_register_sweeps_is_left_to_it()
    {
        var registry = await _registries.OpenAsync(revision: () => 100);
        await registry.BindAsync([Entry("ann", "r2", 20)], default);
        _rooms.Remove("r2");
        await registry.Sweeper.SweepAsync(default);
        foreach (var part in Enumerable.Range(0, 8))
            await server.Redis.CliAsync("hset", $"{{{part}}}{_registries.Prefix}.8.4.meta", "s", "other", "t", "9000000000000000");
        await registry.Sweeper.SweepAsync(default);
        Assert.NotNull(await LookupAsync(registry, "ann"));
        foreach (var part in Enumerable.Range(0, 8))
            await server.Redis.CliAsync("hset", $"{{{part}}}{_registries.Prefix}.8.4.meta", "s", "other", "t", "1");
        await registry.Sweeper.SweepAsync(default);

        Assert.Null(await LookupAsync(registry, "ann"));
    }

    [Fact]
    public async Task A_counter_of_a_dead_room_without_entries_is_forgotten()
    {
        var registry = await _registries.OpenAsync(revision: () => 100);
        await registry.BindAsync([Entry("ann", "r2", 20), Entry("bob")], default);
        _rooms.Remove("r2");
        foreach (var part in Enumerable.Range(0, 8))
        {
            foreach (var bucket in Enumerable.Range(0, 4))
                await server.Redis.CliAsync("del", $"{{{part}}}{_registries.Prefix}.8.4:{bucket}");
        }
        await registry.Sweeper.SweepAsync(default);
        await registry.Sweeper.SweepAsync(default);

        Assert.Equal(1, await HomesAsync());
    }

    [Fact]
    public async Task Garbage_is_taken_for_absent_counted_and_replaced()
    {
        using var metrics = new Measurements();
        var registry = await _registries.OpenAsync();
        await registry.BindAsync([.. Enumerable.Range(0, 100).Select(i => Entry($"user{i}"))], default);
        foreach (var part in Enumerable.Range(0, 8))
        {
            var key = $"{{{part}}}{_registries.Prefix}.8.4";
            foreach (var bucket in Enumerable.Range(0, 4))
            {
                await server.Redis.CliAsync("del", $"{key}:{bucket}");
                // Half of them of a wrong type, half with wrong values and a wrong field.
                if (bucket % 2 == 0)
                    await server.Redis.CliAsync("set", $"{key}:{bucket}", "what");
            }
            for (var i = 0; i < 100; i++)
                await server.Redis.CliAsync("eval",
                    "redis.call('HSET', KEYS[1], '\\4shopuser' .. ARGV[1], string.rep('\\1', ARGV[1])) redis.call('HSET', KEYS[2], '\\200', 'x') return 1",
                    "2", $"{key}:1", $"{key}:3", $"{i}");
            await server.Redis.CliAsync("hset", $"{key}.meta", "g", "many", "e", "no number", "d", "x");
            await server.Redis.CliAsync("set", $"{key}.homes", "what");
            await server.Redis.CliAsync("hset", $"{key}.app.shop", "x", "y");
        }

        Assert.DoesNotContain(0, await registry.EpochsAsync(default));
        var keys = Enumerable.Range(0, 100).Select(i => new UserKey("shop", $"user{i}")).ToArray();
        Assert.All(await registry.LookupAsync(keys, default), Assert.Null);
        Assert.All(await registry.UnbindAsync([.. keys.Select(key => Entry(key.User))], default), Assert.False);
        var replies = await registry.BindAsync([.. keys.Select(key => Entry(key.User))], default);
        Assert.All(replies, reply => Assert.True(reply.Generation > 0 && reply.Previous is null));
        Assert.All(await registry.LookupAsync(keys, default), Assert.NotNull);
        Assert.True(await registry.CountAsync("shop", default) >= 100);
        await registry.Sweeper.SweepAsync(default);
        Assert.True(metrics["push_register_garbage"] > 0);
    }

    [Fact]
    public async Task A_redis_that_would_blow_up_the_hashes_is_warned_of_once()
    {
        await using var bare = await RedisServer.StartAsync();
        await using var registries = new RedisRegistries(bare.EndPoint, _rooms, TimeProvider.System);
        var logger = new RecordingLogger();
        var registry = await registries.OpenAsync(logger: logger);
        await Waiting.For(registry.Sweeper.Probed, "redis is looked at");
        var good = new RecordingLogger();
        await Waiting.For((await _registries.OpenAsync(logger: good)).Sweeper.Probed, "the other redis is looked at");

        Assert.Single(logger.Lines, line => line.Level == LogLevel.Warning && line.Text.Contains("hash-max-listpack-value"));
        Assert.Empty(good.Lines);
    }

    private static SessionEntry Entry(string user, string room = "r1", long incarnation = 10) =>
        new() { Key = new UserKey("shop", user), Room = room, Incarnation = incarnation, Connection = 1 };

    private static async Task<SessionEntry?> LookupAsync(RedisSessionRegistry registry, string user) =>
        (await registry.LookupAsync([new UserKey("shop", user)], default))[0];

    private async Task<int> HomesAsync()
    {
        var homes = 0;
        foreach (var part in Enumerable.Range(0, 8))
            homes += int.Parse(await server.Redis.CliAsync("hlen", $"{{{part}}}{_registries.Prefix}.8.4.homes"));
        return homes;
    }

    private async Task<string> WritesAsync()
    {
        return string.Join(';', (await server.Redis.CliAsync("info", "commandstats")).Split('\n')
            .Where(line => line.StartsWith("cmdstat_hdel", StringComparison.Ordinal) || line.StartsWith("cmdstat_hset", StringComparison.Ordinal)
                || line.StartsWith("cmdstat_hincrby", StringComparison.Ordinal))
            .Select(line => line.Split(',')[0]));
    }
}
