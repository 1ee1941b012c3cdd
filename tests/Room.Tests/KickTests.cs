using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class KickTests
{
    [Fact]
    public async Task A_kick_of_the_last_binding_ends_the_connection_for_good()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        Assert.True(world.Kick(Alice));
        var goAway = client.ExpectGoAway();
        Assert.Equal((ReasonCode.Kicked, null, ReconnectAdvice.Stay), (goAway.Reason, goAway.AppIndex, goAway.Advice));
        client.ExpectClosed();
        Assert.Equal(ReasonCode.ResumeUnknown, world.Connect().Resume(client.ResumeTicket).Code);
        await world.Until(() => world.Registry.Count == 0, "unbound");
        Assert.Equal(0, world.Room.Context.Metrics.Detached);
    }

    [Fact]
    public async Task A_kick_of_one_binding_leaves_the_others()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        Assert.True(world.Kick(Bob));
        Assert.Equal(1, client.ExpectGoAway().AppIndex);
        client.ExpectAlive();
        await world.Unregistered();
        Assert.Null(world.Registry.Of(Bob));
        world.Push(Alice, "x");
        client.ExpectPush("x");
        client.Drop();
        Assert.Equal(ReasonCode.Ok, world.Connect().Resume(client.ResumeTicket).Code);
    }

    [Fact]
    public async Task A_kick_of_nobody_or_of_another_generation_does_nothing()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        Assert.False(world.Kick(Bob));
        Assert.False(world.Kick(Alice, world.Registry.Of(Alice)!.Generation + 1));
        client.ExpectAlive();
        Assert.True(world.Kick(Alice, world.Registry.Of(Alice)!.Generation));
    }

    [Fact]
    public async Task A_kicked_session_without_a_socket_is_ended_too()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Drop();
        Assert.True(world.Kick(Alice));
        Assert.Equal(0, world.Room.Context.Metrics.Detached);
        Assert.Equal(ReasonCode.ResumeUnknown, world.Connect().Resume(client.ResumeTicket).Code);
        await world.Until(() => world.Registry.Count == 0, "unbound");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_kick_during_the_binding_takes_effect_when_it_is_decided(bool registering)
    {
        await using var world = new RoomWorld();
        var gate = registering ? world.Registry.Script.HoldAfter("BindAsync") : world.Mailboxes.Script.HoldAfter("OpenAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice), world.Binding(Bob));
        Assert.True(world.Kick(Alice, world.Registry.Of(Alice)!.Generation));
        gate.Release();
        Assert.Equal([ReasonCode.Kicked, ReasonCode.Ok], client.ExpectLogin().Results.Select(result => result.Code));
        await world.Until(() => world.Registry.Of(Alice) is null, "unbound");
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Alice, "x"));
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_kick_of_an_older_generation_does_not_end_what_is_being_bound()
    {
        await using var world = new RoomWorld();
        world.LogIn(0, Alice);
        var older = world.Registry.Of(Alice)!.Generation;
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var client = world.Connect(1).SendPreface().SendLogin(world.Binding(Alice));
        world.Kick(Alice, older);
        gate.Release();
        Assert.Equal(ReasonCode.Ok, client.ExpectLogin().Results[0].Code);
        client.ExpectAlive();
    }

    [Fact]
    public async Task The_reason_of_a_kick_is_told()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        world.Kick(Alice, reason: ReasonCode.AppUnknown);
        Assert.Equal(ReasonCode.AppUnknown, client.ExpectGoAway().Reason);
    }

    [Fact]
    public async Task A_kicked_user_may_bind_again_at_once_and_the_removal_of_the_old_entry_does_not_hit_the_new_one()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        var gate = world.Registry.Script.HoldBefore("UnbindAsync");
        world.Kick(Alice);
        client.ExpectGoAway();
        await world.Until(() => gate.Arrived, "the unbind is under way");
        Assert.Equal(2, client.Bind(world.Binding(Alice)).AppIndex);
        gate.Release();
        await world.Unregistered();
        Assert.Equal(2, world.Registry.Of(Alice)!.Generation);
    }

    [Fact]
    public async Task Sessions_of_an_app_that_is_disabled_end_with_the_next_check()
    {
        await using var world = new RoomWorld(options => options.FanoutChunk = 2, shards: 1);
        var clients = Enumerable.Range(0, 5).Select(i => world.LogIn(new UserKey("b", $"u{i}"), new UserKey("a", $"u{i}"))).ToList();
        world.Apps.Change("b", app => app with { Enabled = false });
        world.Advance(6);
        Assert.All(clients, client => Assert.Equal((ReasonCode.AppUnknown, 0), client.ExpectGoAway() is { } goAway ? (goAway.Reason, goAway.AppIndex) : default));
        Assert.Equal(5, world.Room.Sessions);
        clients[0].ExpectAlive();
    }
}
