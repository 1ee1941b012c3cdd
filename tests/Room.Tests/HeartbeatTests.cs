using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class HeartbeatTests
{
    [Fact]
    public async Task The_deadline_is_the_announced_interval_and_a_quarter_plus_slack()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ping(100).Expect(Opcode.Pong);
        world.Advance(154.5);
        client.ExpectNothing();
        Assert.False(client.Wire.IsClosed);
        world.Advance(0.7);
        Assert.Equal(ReconnectAdvice.BackOff, client.ExpectError(ReasonCode.HeartbeatTimeout).Advice);
    }

    [Fact]
    public async Task Any_whole_frame_renews_the_deadline()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ping(100).Expect(Opcode.Pong);
        world.Advance(150);
        client.Send(output => LoginTests.WriteUnknown(output, 50, 1));
        world.Advance(150);
        client.ExpectNothing();
        world.Advance(6);
        client.ExpectError(ReasonCode.HeartbeatTimeout);
    }

    [Fact]
    public async Task Half_a_frame_does_not_renew_the_deadline()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ping(100).Expect(Opcode.Pong);
        world.Advance(150);
        client.Wire.Send([(byte)Opcode.Ping]);
        world.Advance(6);
        client.ExpectError(ReasonCode.HeartbeatTimeout);
    }

    [Fact]
    public async Task A_shorter_interval_brings_the_deadline_forward()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ping(1000).Expect(Opcode.Pong);
        client.Ping(20).Expect(Opcode.Pong);
        world.Advance(55.3);
        client.ExpectError(ReasonCode.HeartbeatTimeout);
    }

    [Fact]
    public async Task The_login_may_name_the_first_interval_and_the_default_applies_without_it()
    {
        await using var world = new RoomWorld();
        var named = world.Connect().SendPreface().SendLogin(20, world.Binding(Alice));
        named.ExpectLogin();
        var silent = world.LogIn(Bob);
        world.Advance(55.3);
        named.ExpectError(ReasonCode.HeartbeatTimeout);
        world.Advance(274, 1);
        silent.ExpectNothing();
        world.Advance(2);
        silent.ExpectError(ReasonCode.HeartbeatTimeout);
    }

    [Fact]
    public async Task An_interval_out_of_bounds_is_clamped_and_the_limits_are_told()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ping(1);
        Assert.Equal(new PongMessage(10, 1800), PongMessage.Read(client.Expect(Opcode.Pong).Body));
        world.Advance(42);
        client.ExpectNothing();
        world.Advance(1);
        client.ExpectError(ReasonCode.HeartbeatTimeout);
    }

    [Fact]
    public async Task An_empty_ping_keeps_the_interval_and_gets_an_empty_pong()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ping(20).Expect(Opcode.Pong);
        client.Ping();
        Assert.Empty(client.Expect(Opcode.Pong).Body);
        world.Advance(55.3);
        client.ExpectError(ReasonCode.HeartbeatTimeout);
    }

    [Fact]
    public async Task A_client_is_not_blamed_for_silence_while_the_room_does_not_read()
    {
        await using var world = new RoomWorld(options => options.StoreCallTimeout = TimeSpan.FromMinutes(3));
        var client = world.LogIn(Alice);
        client.Ping(20).Expect(Opcode.Pong);
        var gate = world.Mailboxes.Script.HoldBefore("OpenAsync");
        client.SendBind(1, world.Binding(Bob));
        client.SendBind(2, world.Binding(new Contracts.UserKey("b", "x")));
        world.Advance(120, 1);
        client.ExpectNothing();
        gate.Release();
        client.ExpectBind();
        client.ExpectBind();
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_client_that_missed_its_deadline_can_resume()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ping(20).Expect(Opcode.Pong);
        world.Advance(55.3);
        client.ExpectError(ReasonCode.HeartbeatTimeout);
        Assert.Equal(ReasonCode.Ok, world.Connect().Resume(client.ResumeTicket).Code);
    }
}
