using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class TakeoverTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 1)]
    public async Task A_newer_login_replaces_the_older_connection(int oldShard, int newShard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(oldShard, Alice);
        var next = world.LogIn(newShard, Alice);
        var goAway = old.ExpectGoAway();
        Assert.Equal((ReasonCode.Replaced, null, ReconnectAdvice.Stay), (goAway.Reason, goAway.AppIndex, goAway.Advice));
        old.ExpectClosed();
        world.Push(Alice, "x");
        next.ExpectPush("x");
        Assert.Equal(1, world.Room.Sessions);
        Assert.Equal(0, world.Registry.UnbindCount);
    }

    [Fact]
    public async Task A_replaced_binding_among_others_ends_alone()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice, Bob);
        world.LogIn(1, Bob);
        var goAway = old.ExpectGoAway();
        Assert.Equal((ReasonCode.Replaced, 1), (goAway.Reason, goAway.AppIndex));
        world.Push(Alice, "still here");
        old.ExpectPush("still here");
        old.Ack(1, index: 1);
        old.ExpectAlive();
    }

    [Fact]
    public async Task A_replaced_connection_cannot_resume()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.LogIn(1, Alice);
        old.ExpectGoAway();
        Assert.Equal(ReasonCode.ResumeUnknown, world.Connect().Resume(old.ResumeTicket).Code);
    }

    [Fact]
    public async Task The_higher_registry_generation_wins_when_two_logins_cross()
    {
        // The first to reach the registry answers last: its reply must not beat the newer session.
        await using var world = new RoomWorld();
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var first = world.Connect(0).SendPreface().SendLogin(world.Binding(Alice));
        var second = world.Connect(1);
        second.Login(world.Binding(Alice));
        gate.Release();
        Assert.Equal(ReasonCode.Replaced, first.ExpectLogin().Results[0].Code);
        Assert.Equal(second.ConnectionId, world.Registry.Of(Alice)!.Connection);
        world.Push(Alice, "x");
        second.ExpectPush("x");
        first.ExpectNothing();
        Assert.Equal(1, world.Room.Sessions);
    }

    [Fact]
    public async Task The_one_that_reaches_the_registry_last_wins_although_it_came_first()
    {
        await using var world = new RoomWorld();
        var gate = world.Registry.Script.HoldBefore("BindAsync");
        var first = world.Connect(0).SendPreface().SendLogin(world.Binding(Alice));
        var second = world.Connect(1);
        second.Login(world.Binding(Alice));
        gate.Release();
        Assert.Equal(ReasonCode.Ok, first.ExpectLogin().Results[0].Code);
        Assert.Equal(ReasonCode.Replaced, second.ExpectGoAway().Reason);
        second.ExpectClosed();
        Assert.Equal(first.ConnectionId, world.Registry.Of(Alice)!.Connection);
        world.Push(Alice, "x");
        first.ExpectPush("x");
    }

    [Fact]
    public async Task The_old_session_gives_way_even_when_the_new_connection_dies_before_its_login_is_done()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var next = world.Connect(1).SendPreface().SendLogin(world.Binding(Alice));
        next.Drop();
        gate.Release();
        Assert.Equal(ReasonCode.Replaced, old.ExpectGoAway().Reason);
        await world.Until(() => world.Registry.Count == 0, "the dead login is undone");
        Assert.Equal(0, world.Room.Sessions);
    }

    [Fact]
    public async Task A_login_that_the_registry_refuses_leaves_the_old_session_in_force()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.Registry.Script.Fail("BindAsync");
        var next = world.Connect(1);
        Assert.Equal(ReasonCode.BindUnavailable, next.Login(world.Binding(Alice)).Results[0].Code);
        world.Push(Alice, "x");
        old.ExpectPush("x");
    }

    [Fact]
    public async Task Both_sessions_take_a_message_while_the_newer_one_is_being_bound()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        var gate = world.Registry.Script.HoldBefore("BindAsync");
        var next = world.Connect(1).SendPreface().SendLogin(world.Binding(Alice));
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "x"));
        old.ExpectPush("x");
        gate.Release();
        next.ExpectLogin();
        next.ExpectPush("x");
    }

    [Fact]
    public async Task A_session_in_another_room_is_kicked_there()
    {
        await using var world = new RoomWorld();
        var elsewhere = world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 99 });
        world.LogIn(Alice);
        Assert.Equal(new KickItem(Alice, elsewhere.Generation, ReasonCode.Replaced), Assert.Single(world.Rooms.Kicks));
    }

    [Fact]
    public async Task A_room_that_is_dead_or_fails_does_not_disturb_the_login()
    {
        await using var world = new RoomWorld();
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 4, Connection = 99 });
        world.Registry.Put(new SessionEntry { Key = Bob, Room = "other", Incarnation = 5, Connection = 99 });
        world.Rooms.Failure = new StoreUnavailableException("no link");
        world.LogIn(Alice, Bob);
        Assert.Equal(Bob, Assert.Single(world.Rooms.Kicks).Key);
    }

    [Fact]
    public async Task An_entry_of_an_earlier_life_of_this_room_is_nobody_to_kick()
    {
        await using var world = new RoomWorld();
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "room-1", Incarnation = 9, Connection = 1 });
        var client = world.LogIn(Alice);
        Assert.Empty(world.Rooms.Kicks);
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_session_replaced_from_another_room_ends_without_touching_the_registry()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var generation = world.Registry.Of(Alice)!.Generation;
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 99 });
        Assert.True(world.Kick(Alice, generation, ReasonCode.Replaced));
        Assert.Equal(ReasonCode.Replaced, client.ExpectGoAway().Reason);
        client.ExpectClosed();
        Assert.Equal("other", world.Registry.Of(Alice)!.Room);
        Assert.Equal(0, world.Registry.UnbindCount);
    }
}
