using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class PresenceTests
{
    [Fact]
    public async Task Coming_and_going_is_reported_in_order_with_the_generation()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var generation = world.Registry.Of(Alice)!.Generation;
        client.Unbind(0).Expect(Opcode.UnbindOk);
        await world.Until(() => world.Coordinator.Presence.Count == 2, "both changes are told");
        Assert.Equal(
        [
            new PresenceChange(Alice, true, generation, "device", "room-1", world.Clock.GetUtcNow().ToUnixTimeMilliseconds()),
            new PresenceChange(Alice, false, generation, "device", "room-1", world.Clock.GetUtcNow().ToUnixTimeMilliseconds()),
        ], world.Coordinator.Presence);
    }

    [Fact]
    public async Task Apps_that_did_not_ask_are_not_reported()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(new UserKey("b", "x"), Alice);
        client.Unbind(0).Expect(Opcode.UnbindOk);
        client.Unbind(1).Expect(Opcode.UnbindOk);
        await world.Until(() => world.Coordinator.Presence.Count == 2, "told");
        Assert.All(world.Coordinator.Presence, change => Assert.Equal(Alice, change.Key));
    }

    [Fact]
    public async Task A_lost_socket_is_reported_after_the_grace_period_only()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(0, Alice);
        client.Drop();
        world.Advance(20);
        var next = world.Connect(1);
        next.Resume(client.ResumeTicket);
        next.Drop();
        world.Advance(29.5);
        await world.Until(() => world.Room.Context.Presence.IsIdle, "quiet");
        Assert.True(Assert.Single(world.Coordinator.Presence).Online);
        world.Advance(1);
        await world.Until(() => world.Coordinator.Presence.Count == 2, "offline is told");
        Assert.False(world.Coordinator.Presence[1].Online);
    }

    [Fact]
    public async Task A_replaced_session_is_not_reported_offline()
    {
        await using var world = new RoomWorld();
        world.LogIn(0, Alice);
        world.LogIn(1, Alice);
        await world.Until(() => world.Coordinator.Presence.Count == 2, "told");
        await world.Until(() => world.Room.Context.Presence.IsIdle, "quiet");
        Assert.All(world.Coordinator.Presence, change => Assert.True(change.Online));
        Assert.True(world.Coordinator.Presence[0].Generation < world.Coordinator.Presence[1].Generation);
    }

    [Fact]
    public async Task A_kick_is_reported_offline()
    {
        await using var world = new RoomWorld();
        world.LogIn(Alice);
        world.Kick(Alice);
        await world.Until(() => world.Coordinator.Presence.Count == 2, "told");
        Assert.False(world.Coordinator.Presence[1].Online);
    }

    [Fact]
    public async Task Changes_are_told_again_while_the_coordinator_is_away_and_keep_their_order()
    {
        await using var world = new RoomWorld();
        world.Coordinator.Script.Fail("NotifyAsync", 2);
        var client = world.LogIn(Alice);
        await world.Until(() => world.Coordinator.Script.Count("NotifyAsync") == 1, "first try");
        client.Unbind(0).Expect(Opcode.UnbindOk);
        world.LogIn(Bob);
        await world.Until(() =>
        {
            world.Advance(0.5);
            return world.Coordinator.Presence.Count == 3;
        }, "told");
        Assert.Equal([(Alice, true), (Alice, false), (Bob, true)], world.Coordinator.Presence.Select(change => (change.Key, change.Online)));
    }

    [Fact]
    public async Task The_queue_is_bounded_and_drops_what_comes_last()
    {
        await using var world = new RoomWorld(options => options.PresenceQueueLimit = 2);
        world.Coordinator.Script.Fail("NotifyAsync");
        world.LogIn(new UserKey("a", "u0"));
        await world.Until(() => world.Coordinator.Script.Count("NotifyAsync") == 1, "the first is under way");
        for (var i = 1; i <= 4; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        await world.Until(() =>
        {
            world.Advance(0.5);
            return world.Room.Context.Presence.IsIdle;
        }, "told");
        Assert.Equal(["u0", "u1", "u2"], world.Coordinator.Presence.Select(change => change.Key.User));
    }
}
