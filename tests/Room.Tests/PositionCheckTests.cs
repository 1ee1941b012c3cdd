using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class PositionCheckTests
{
    [Fact]
    public async Task A_message_that_nobody_delivered_is_found_by_the_second_check()
    {
        await using var world = new RoomWorld();
        var repairs = 0;
        using var listener = CountRepairs(world, () => repairs++);
        var client = world.LogIn(Alice);
        world.Mailboxes.Append(Alice, "forgotten");
        world.Advance(6);
        client.ExpectNothing();
        world.Advance(5);
        client.ExpectPush("forgotten");
        Assert.Equal(1, repairs);
        client.Ack(1);
        world.Advance(20);
        Assert.Equal(1, repairs);
        Assert.Single(world.Mailboxes.Reads);
    }

    [Fact]
    public async Task A_message_that_is_delivered_between_two_checks_needs_no_repair()
    {
        await using var world = new RoomWorld();
        var repairs = 0;
        using var listener = CountRepairs(world, () => repairs++);
        var client = world.LogIn(Alice);
        for (var i = 1; i <= 6; i++)
        {
            var item = world.Mailboxes.Append(Alice, $"{i}");
            world.Advance(5);
            world.Deliver(item);
            client.ExpectPush($"{i}");
            client.Ack(i);
        }
        Assert.Equal(0, repairs);
        Assert.Empty(world.Mailboxes.Reads);
    }

    [Fact]
    public async Task A_lost_epoch_is_found_without_any_message()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Push(Alice, "1");
        client.ExpectPush("1");
        client.Ack(1);
        world.Mailboxes.Lose(Alice);
        world.Advance(6);
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 8, 1, ResetReason.DataLoss), client.ExpectReset());
    }

    [Fact]
    public async Task The_check_asks_in_batches_one_call_at_a_time()
    {
        await using var world = new RoomWorld(options => options.PositionCheckBatch = 3, shards: 1);
        for (var i = 0; i < 10; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        var gate = world.Mailboxes.Script.HoldBefore("PositionsAsync");
        world.Advance(5.5);
        Assert.Equal(1, world.Mailboxes.Script.Count("PositionsAsync"));
        gate.Release();
        world.Advance(1);
        Assert.Equal(4, world.Mailboxes.Script.Count("PositionsAsync"));
    }

    [Fact]
    public async Task A_round_over_many_sessions_ends_before_the_next_one()
    {
        await using var world = new RoomWorld(options => options.PositionCheckBatch = 1, shards: 1);
        for (var i = 0; i < 200; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        world.Advance(5.2);
        Assert.InRange(world.Mailboxes.Script.Count("PositionsAsync"), 1, 20);
        world.Advance(5.1);
        Assert.InRange(world.Mailboxes.Script.Count("PositionsAsync"), 200, 220);
    }

    [Fact]
    public async Task A_check_that_fails_is_repeated_in_the_next_round()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Mailboxes.Append(Alice, "forgotten");
        world.Mailboxes.Script.Fail("PositionsAsync");
        world.Advance(11);
        client.ExpectNothing();
        world.Advance(5);
        client.ExpectPush("forgotten");
    }

    [Fact]
    public async Task An_answer_for_a_session_that_has_gone_is_ignored()
    {
        await using var world = new RoomWorld(shards: 1);
        var client = world.LogIn(Alice);
        world.Mailboxes.Append(Alice, "x");
        world.Advance(6);
        var gate = world.Mailboxes.Script.HoldAfter("PositionsAsync");
        world.Advance(5);
        client.Unbind(0).Expect(Opcode.UnbindOk);
        var next = world.LogIn(Bob);
        gate.Release();
        next.ExpectNothing();
        Assert.Empty(world.Mailboxes.Reads);
    }

    [Fact]
    public async Task A_pull_binding_is_told_of_what_the_check_finds()
    {
        await using var world = new RoomWorld();
        var client = world.Connect();
        client.Login(world.Binding(Alice, pull: true));
        world.Mailboxes.Append(Alice, "forgotten");
        world.Advance(11);
        Assert.Equal(1, client.ExpectNotify().TopSeq);
        world.Advance(20);
        client.ExpectNothing();
    }

    [Fact]
    public async Task A_broadcast_that_no_fan_out_brought_is_found()
    {
        await using var world = new RoomWorld(options => options.FanoutChunk = 2, shards: 1);
        var clients = Enumerable.Range(0, 5).Select(i => world.LogIn(new UserKey("a", $"u{i}"))).ToList();
        world.Advance(20, 1);
        world.Broadcasts.Append("a", "forgotten");
        world.Advance(4.5);
        clients[0].ExpectNothing();
        world.Advance(6.5);
        Assert.All(clients, client => client.ExpectPush("forgotten"));
        Assert.Single(world.Broadcasts.Reads);
    }

    [Fact]
    public async Task A_lost_broadcast_epoch_is_found()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Broadcasts.Of("a").Epoch = 9;
        world.Advance(6);
        Assert.Equal(new ResetMessage(0, StreamKind.Broadcast, 9, 1, ResetReason.DataLoss), client.ExpectReset());
    }

    private static System.Diagnostics.Metrics.MeterListener CountRepairs(RoomWorld world, Action count)
    {
        var listener = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, target) =>
            {
                if (instrument.Meter == world.Room.Context.Metrics.Meter && instrument.Name == "push_room_position_repairs")
                    target.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => count());
        listener.Start();
        return listener;
    }
}
