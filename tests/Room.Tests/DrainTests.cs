using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class DrainTests
{
    [Fact]
    public async Task Draining_sends_everyone_away_evenly_and_tells_the_stores()
    {
        await using var world = new RoomWorld();
        var clients = Enumerable.Range(0, 20).Select(i => world.LogIn(i % 2, new UserKey("a", $"u{i}"))).ToList();
        world.Push(new UserKey("a", "u0"), "x");
        clients[0].ExpectPush("x");
        clients[0].Ack(1);
        clients[19].Drop();
        var drain = world.Room.DrainAsync(TimeSpan.FromSeconds(10), CancellationToken.None);
        world.Advance(2.5);
        Assert.InRange(clients.Count(client => client.Wire.IsClosed), 7, 14);
        Assert.True(world.Room.Draining);
        await AdvanceUntil(world, drain);
        Assert.True(await drain);
        foreach (var client in clients.Take(19))
        {
            var goAway = client.ExpectGoAway();
            Assert.Equal((ReasonCode.Draining, null, ReconnectAdvice.Window, 10_000),
                (goAway.Reason, goAway.AppIndex, goAway.Advice, goAway.WindowMilliseconds));
            client.ExpectClosed();
        }
        Assert.Equal(0, world.Registry.Count);
        Assert.Equal(1, world.Mailboxes.Of(new UserKey("a", "u0")).Acked);
        Assert.Equal(20, world.Coordinator.Presence.Count(change => !change.Online));
        Assert.Equal((0, 0, 0L), (world.Room.Connections, world.Room.Sessions, world.Room.Context.Metrics.Detached));
    }

    [Fact]
    public async Task A_draining_room_takes_no_new_client()
    {
        await using var world = new RoomWorld();
        var waiting = world.Connect().SendPreface();
        var drain = world.Room.DrainAsync(TimeSpan.FromSeconds(10), CancellationToken.None);
        Assert.True(world.Connect().Wire.IsClosed);
        waiting.SendLogin(world.Binding(Alice));
        Assert.Equal(ReconnectAdvice.Window, waiting.ExpectError(ReasonCode.Draining).Advice);
        await AdvanceUntil(world, drain);
        Assert.True(await drain);
    }

    [Fact]
    public async Task A_login_under_way_is_ended_and_undone_by_a_drain()
    {
        await using var world = new RoomWorld();
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        var drain = world.Room.DrainAsync(TimeSpan.FromSeconds(4), CancellationToken.None);
        world.Advance(2.5);
        client.ExpectError(ReasonCode.Draining);
        gate.Release();
        await AdvanceUntil(world, drain);
        Assert.True(await drain);
        Assert.Equal(0, world.Registry.Count);
    }

    [Fact]
    public async Task A_resume_on_a_draining_room_is_sent_elsewhere()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var waiting = world.Connect().SendPreface();
        client.Drop();
        var drain = world.Room.DrainAsync(TimeSpan.FromSeconds(10), CancellationToken.None);
        waiting.SendResume(client.ResumeTicket);
        waiting.ExpectError(ReasonCode.Draining);
        await AdvanceUntil(world, drain);
        Assert.True(await drain);
    }

    [Fact]
    public async Task A_drain_ends_at_its_deadline_when_a_store_is_away()
    {
        await using var world = new RoomWorld();
        world.LogIn(Alice);
        world.Registry.Script.Fail("UnbindAsync", 1000);
        var drain = world.Room.DrainAsync(TimeSpan.FromSeconds(4), CancellationToken.None);
        await AdvanceUntil(world, drain);
        Assert.False(await drain);
        Assert.Equal(0, world.Room.Connections);
    }

    [Fact]
    public async Task An_empty_room_drains_at_once()
    {
        await using var world = new RoomWorld();
        var drain = world.Room.DrainAsync(TimeSpan.FromMinutes(10), CancellationToken.None);
        await AdvanceUntil(world, drain);
        Assert.True(await drain);
    }

    private static Task AdvanceUntil(RoomWorld world, Task drain) => world.Until(() =>
    {
        world.Advance(0.1);
        return drain.IsCompleted;
    }, "the drain");
}
