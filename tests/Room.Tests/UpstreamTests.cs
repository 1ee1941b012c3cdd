using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class UpstreamTests
{
    [Fact]
    public async Task A_message_is_given_to_the_coordinator_and_answered()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        client.SendUp(17, "hello", index: 1, type: "chat");
        Assert.Equal(new SendOkMessage(1, 17, ReasonCode.Ok, 0), client.ExpectSendOk());
        var message = Assert.Single(world.Coordinator.Messages);
        Assert.Equal((Bob, "device", 17L, "chat", PayloadKind.Text, "hello"),
            (message.Key, message.Device, message.MessageId, message.Type, message.Kind, System.Text.Encoding.UTF8.GetString(message.Payload.Span)));
        Assert.Equal(world.Clock.GetUtcNow().ToUnixTimeMilliseconds(), message.ReceivedAt);
    }

    [Fact]
    public async Task A_refusal_is_passed_on_with_its_delay()
    {
        await using var world = new RoomWorld();
        world.Coordinator.Answer = _ => new UpstreamReply(ReasonCode.QueueFull, 7_000);
        var client = world.LogIn(Alice);
        client.SendUp(1);
        Assert.Equal(new SendOkMessage(0, 1, ReasonCode.QueueFull, 7_000), client.ExpectSendOk());
    }

    [Fact]
    public async Task A_store_that_is_away_means_try_again()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Coordinator.Script.Fail("SubmitAsync");
        client.SendUp(1);
        var answer = client.ExpectSendOk();
        Assert.Equal(ReasonCode.NotStored, answer.Code);
        Assert.True(answer.RetryAfterMilliseconds > 0);
    }

    [Fact]
    public async Task Messages_of_a_connection_are_submitted_one_after_the_other()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var gate = world.Coordinator.Script.HoldBefore("SubmitAsync");
        for (var i = 1; i <= 5; i++)
            client.SendUp(i);
        Assert.Equal(1, world.Coordinator.Script.Count("SubmitAsync"));
        client.ExpectAlive();
        gate.Release();
        Assert.Equal([1, 2, 3, 4, 5], client.TakeAll().Select(frame => SendOkMessage.Read(frame.Body).MessageId));
        Assert.Equal([1, 2, 3, 4, 5], world.Coordinator.Messages.Select(message => message.MessageId));
    }

    [Fact]
    public async Task Too_many_waiting_messages_stop_the_reading_and_none_is_lost()
    {
        await using var world = new RoomWorld(options => options.MaxUpstreamMessages = 4);
        var client = world.LogIn(Alice);
        var gate = world.Coordinator.Script.HoldBefore("SubmitAsync");
        for (var i = 1; i <= 10; i++)
            client.SendUp(i);
        client.Ping();
        client.ExpectNothing();
        gate.Release();
        var frames = client.TakeAll();
        Assert.Equal(Enumerable.Range(1, 10).Select(i => (long)i),
            frames.Where(frame => frame.Opcode == Opcode.SendOk).Select(frame => SendOkMessage.Read(frame.Body).MessageId));
        Assert.Contains(frames, frame => frame.Opcode == Opcode.Pong);
        Assert.Equal(10, world.Coordinator.Messages.Count);
    }

    [Fact]
    public async Task Waiting_messages_are_bounded_in_bytes_but_one_is_always_taken()
    {
        await using var world = new RoomWorld(options => options.MaxUpstreamBytes = 100);
        var client = world.LogIn(Alice);
        var gate = world.Coordinator.Script.HoldBefore("SubmitAsync");
        client.SendUp(1, new string('x', 500));
        client.SendUp(2, "x");
        client.Ping();
        client.ExpectNothing();
        gate.Release();
        Assert.Equal(1, client.ExpectSendOk().MessageId);
        Assert.Equal(3, client.TakeAll().Count + 1);
    }

    [Fact]
    public async Task A_payload_beyond_the_limit_of_the_app_is_refused_for_good()
    {
        await using var world = new RoomWorld();
        world.Apps.Change("a", app => app with { Limits = app.Limits with { PayloadBytes = 10 } });
        var client = world.LogIn(Alice);
        client.SendUp(1, "12345678901");
        Assert.Equal(new SendOkMessage(0, 1, ReasonCode.PayloadTooLarge, 0), client.ExpectSendOk());
        client.SendUp(2, "1234567890");
        Assert.Equal(ReasonCode.Ok, client.ExpectSendOk().Code);
    }

    [Fact]
    public async Task A_message_for_an_ended_binding_or_a_disabled_app_is_refused()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        client.Unbind(0).Expect(Opcode.UnbindOk);
        client.SendUp(1);
        Assert.Equal(ReasonCode.UnknownTarget, client.ExpectSendOk().Code);
        world.Apps.Change("a", app => app with { Enabled = false });
        client.SendUp(2, index: 1);
        Assert.Equal(ReasonCode.AppUnknown, client.ExpectSendOk().Code);
        client.SendUp(3, index: 9);
        client.ExpectError(ReasonCode.UnknownTarget);
    }

    [Fact]
    public async Task The_answer_for_a_connection_that_is_gone_disturbs_nobody()
    {
        await using var world = new RoomWorld(shards: 1);
        var client = world.LogIn(Alice);
        var gate = world.Coordinator.Script.HoldBefore("SubmitAsync");
        client.SendUp(1);
        client.SendUp(2);
        client.Drop();
        var next = world.LogIn(Bob);
        gate.Release();
        next.ExpectNothing();
        next.SendUp(3);
        Assert.Equal(3, next.ExpectSendOk().MessageId);
        Assert.Equal([1, 3], world.Coordinator.Messages.Select(message => message.MessageId));
    }

    [Fact]
    public async Task Too_many_frames_in_a_time_end_the_connection()
    {
        await using var world = new RoomWorld(options => (options.FramesPerSecond, options.FrameBurst) = (10, 20));
        var client = world.LogIn(Alice);
        for (var i = 0; i < 20; i++)
            client.Ping();
        Assert.Equal(20, client.TakeAll().Count);
        world.Advance(1);
        for (var i = 0; i < 10; i++)
            client.Ping();
        Assert.Equal(10, client.TakeAll().Count);
        client.Ping();
        var error = client.ExpectError(ReasonCode.RateLimited);
        Assert.Equal((ReconnectAdvice.Window, 30_000), (error.Advice, error.WindowMilliseconds));
    }

    [Fact]
    public async Task Topics_are_answered_as_not_supported()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Send(output => new SubscribeMessage(4, 0, ["t"]).Write(output, Opcode.Subscribe));
        Assert.Equal(new SubscribeOkMessage(4, ReasonCode.NotSupported), SubscribeOkMessage.Read(client.Expect(Opcode.SubscribeOk).Body));
        client.Send(output => new SubscribeMessage(5, 0, ["t"]).Write(output, Opcode.Unsubscribe));
        Assert.Equal(5, SubscribeOkMessage.Read(client.Expect(Opcode.SubscribeOk).Body).RequestId);
    }
}
