using PushSystem.Contracts;
using PushSystem.Room.Delivery;
using PushSystem.Room.Tests.Support;
using PushSystem.TestSupport;

namespace PushSystem.Room.Tests;

public class BroadcastCacheTests
{
    [Fact]
    public async Task Readers_of_one_place_share_one_read()
    {
        await using var world = new RoomWorld();
        world.Broadcasts.Append("a", "one");
        var gate = world.Broadcasts.Script.HoldAfter("ReadAsync");
        var cache = world.Room.Context.Cache;
        var reads = Enumerable.Range(0, 5).Select(_ => cache.ReadAsync("a", 3, 1, 10, 1000).AsTask()).ToArray();
        gate.Release();
        var replies = await Waiting.For(Task.WhenAll(reads), "the reads");
        Assert.All(replies, reply => Assert.Single(reply.Entries));
        Assert.Single(world.Broadcasts.Reads);
    }

    [Fact]
    public async Task A_failed_read_fails_its_readers_and_is_not_remembered()
    {
        await using var world = new RoomWorld();
        world.Broadcasts.Append("a", "one");
        world.Broadcasts.Script.Fail("ReadAsync");
        var cache = world.Room.Context.Cache;
        await Assert.ThrowsAsync<StoreUnavailableException>(() => cache.ReadAsync("a", 3, 1, 10, 1000).AsTask());
        Assert.Single((await cache.ReadAsync("a", 3, 1, 10, 1000)).Entries);
    }

    [Fact]
    public async Task Bytes_are_bounded_and_the_oldest_go_first()
    {
        await using var world = new RoomWorld(options => options.BroadcastCacheBytes = 2_500);
        for (var i = 0; i < 5; i++)
            world.Broadcasts.Append("a", new string('x', 1000));
        var cache = world.Room.Context.Cache;
        Assert.Equal(5, (await cache.ReadAsync("a", 3, 1, 10, 100_000)).Entries.Count);
        Assert.InRange(cache.Bytes, 1, 2_500);
        await cache.ReadAsync("a", 3, 5, 10, 100_000);
        Assert.Single(world.Broadcasts.Reads);
        await cache.ReadAsync("a", 3, 1, 10, 100_000);
        Assert.Equal(2, world.Broadcasts.Reads.Count);
    }

    [Fact]
    public async Task The_readers_own_bounds_are_kept()
    {
        await using var world = new RoomWorld();
        for (var i = 0; i < 5; i++)
            world.Broadcasts.Append("a", new string('x', 100));
        var cache = world.Room.Context.Cache;
        Assert.Equal(2, (await cache.ReadAsync("a", 3, 1, 2, 10_000)).Entries.Count);
        Assert.Equal(3, (await cache.ReadAsync("a", 3, 1, 10, 350)).Entries.Count);
        Assert.Single((await cache.ReadAsync("a", 3, 1, 10, 1)).Entries);
    }

    [Fact]
    public async Task Old_entries_are_read_again()
    {
        await using var world = new RoomWorld();
        world.Broadcasts.Append("a", "one");
        var cache = world.Room.Context.Cache;
        await cache.ReadAsync("a", 3, 1, 10, 1000);
        world.Advance(9);
        await cache.ReadAsync("a", 3, 1, 10, 1000);
        Assert.Single(world.Broadcasts.Reads);
        world.Advance(1.1);
        await cache.ReadAsync("a", 3, 1, 10, 1000);
        Assert.Equal(2, world.Broadcasts.Reads.Count);
    }

    [Fact]
    public async Task A_read_that_was_under_way_when_a_broadcast_was_cancelled_is_not_kept()
    {
        await using var world = new RoomWorld();
        world.Broadcasts.Append("a", "regretted");
        var gate = world.Broadcasts.Script.HoldAfter("ReadAsync");
        var cache = world.Room.Context.Cache;
        var early = cache.ReadAsync("a", 3, 1, 10, 1000).AsTask();
        world.Broadcasts.Cancel("a", 1);
        cache.Invalidate("a", 3, 1);
        var late = await cache.ReadAsync("a", 3, 1, 10, 1000);
        Assert.Equal(Protocol.ResetReason.Cancelled, late.Entries[0].Gap);
        gate.Release();
        await Waiting.For(early, "the early read");
        Assert.Equal(Protocol.ResetReason.Cancelled, (await cache.ReadAsync("a", 3, 1, 10, 1000)).Entries[0].Gap);
    }
}
