using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class AckTests
{
    [Fact]
    public async Task Acks_of_a_moment_are_told_to_the_store_once_with_the_newest_position()
    {
        await using var world = new RoomWorld(shards: 1);
        var alice = world.LogIn(Alice);
        var bob = world.LogIn(Bob);
        for (var i = 0; i < 4; i++)
        {
            world.Push(Alice, "x");
            world.Push(Bob, "y");
        }
        alice.Ack(1);
        alice.Ack(3);
        bob.Ack(2);
        Assert.Empty(world.Mailboxes.Acks);
        world.Advance(0.3);
        Assert.Equal(2, Assert.Single(world.Mailboxes.AckBatches));
        Assert.Contains(new AckEntry(Alice, StreamKind.Mailbox, 7, 3), world.Mailboxes.Acks);
        Assert.Contains(new AckEntry(Bob, StreamKind.Mailbox, 7, 2), world.Mailboxes.Acks);
    }

    [Fact]
    public async Task A_full_batch_goes_at_the_end_of_the_turn()
    {
        await using var world = new RoomWorld(options => options.AckBatchCount = 2, shards: 1);
        var alice = world.LogIn(Alice);
        var bob = world.LogIn(Bob);
        world.Push(Alice, "x");
        world.Push(Bob, "y");
        alice.Ack(1);
        Assert.Empty(world.Mailboxes.Acks);
        bob.Ack(1);
        Assert.Equal(2, world.Mailboxes.Acks.Count);
    }

    [Fact]
    public async Task One_call_is_under_way_at_a_time()
    {
        await using var world = new RoomWorld(shards: 1);
        var client = world.LogIn(Alice);
        var gate = world.Mailboxes.Script.HoldBefore("AckAsync");
        for (var i = 1; i <= 3; i++)
            world.Push(Alice, $"{i}");
        client.Ack(1);
        world.Advance(0.3);
        client.Ack(2);
        world.Advance(0.3);
        client.Ack(3);
        world.Advance(0.3);
        Assert.Equal(1, world.Mailboxes.Script.Count("AckAsync"));
        gate.Release();
        world.Advance(0.3);
        Assert.Equal([1, 3], world.Mailboxes.Acks.Select(ack => ack.Seq));
    }

    [Fact]
    public async Task Acks_that_failed_are_told_again_before_newer_ones()
    {
        await using var world = new RoomWorld(shards: 1);
        var client = world.LogIn(Alice);
        world.Push(Alice, "1");
        world.Push(Alice, "2");
        world.Mailboxes.Script.Fail("AckAsync", 2);
        client.Ack(1);
        world.Advance(0.3);
        client.Ack(2);
        world.Advance(3);
        Assert.Equal([1, 2], world.Mailboxes.Acks.Select(ack => ack.Seq));
        Assert.Equal(2, world.Mailboxes.Of(Alice).Acked);
    }

    [Fact]
    public async Task Acks_survive_the_end_of_their_session()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Push(Alice, "1");
        client.Ack(1);
        client.Unbind(0).ExpectPush("1");
        world.Advance(0.3);
        Assert.Equal(1, world.Mailboxes.Of(Alice).Acked);
    }

    [Fact]
    public async Task The_queue_of_acks_is_bounded()
    {
        await using var world = new RoomWorld(options => (options.AckBatchCount, options.AckQueueLimit) = (1, 1), shards: 1);
        var alice = world.LogIn(Alice);
        var bob = world.LogIn(Bob);
        var carl = world.LogIn(new UserKey("a", "carl"));
        world.Push(Alice, "x");
        world.Push(Bob, "x");
        world.Push(new UserKey("a", "carl"), "x");
        var gate = world.Mailboxes.Script.HoldBefore("AckAsync");
        alice.Ack(1);
        bob.Ack(1);
        carl.Ack(1);
        gate.Release();
        world.Advance(1);
        Assert.Equal([Alice, Bob], world.Mailboxes.Acks.Select(ack => ack.Key));
    }

    [Fact]
    public async Task Repeated_and_lower_acks_change_nothing()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        for (var i = 1; i <= 3; i++)
            world.Push(Alice, $"{i}");
        client.TakePushes();
        client.Ack(3);
        client.Ack(3);
        client.Ack(1);
        client.Ack(0);
        world.Advance(0.3);
        Assert.Equal([3], world.Mailboxes.Acks.Select(ack => ack.Seq));
        client.ExpectAlive();
    }

    [Fact]
    public async Task An_ack_of_what_was_never_sent_ends_the_connection()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Push(Alice, "1");
        client.ExpectPush("1");
        client.Ack(2);
        client.ExpectError(ReasonCode.UnknownTarget);
        world.Advance(0.3);
        Assert.Empty(world.Mailboxes.Acks);
    }

    [Fact]
    public async Task An_ack_of_an_index_that_was_never_given_ends_the_connection()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Ack(0, index: 1);
        client.ExpectError(ReasonCode.UnknownTarget);
    }

    [Fact]
    public async Task An_ack_that_crosses_the_end_of_its_binding_is_ignored()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        world.Push(Alice, "1");
        client.ExpectPush("1");
        world.Kick(Alice);
        Assert.Equal(0, client.ExpectGoAway().AppIndex);
        client.Ack(1);
        client.ExpectAlive();
    }

    [Fact]
    public async Task An_ack_that_crosses_a_reset_does_not_count_for_the_new_epoch()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        for (var i = 1; i <= 5; i++)
            world.Push(Alice, $"{i}");
        client.TakePushes();
        world.Mailboxes.Lose(Alice);
        world.Push(Alice, "new 1");
        client.ExpectReset();
        client.ExpectPush("new 1");
        client.Ack(5, epoch: 7);
        client.ExpectAlive();
        world.Push(Alice, "new 2");
        client.ExpectPush("new 2");
        world.Advance(0.3);
        Assert.Empty(world.Mailboxes.Acks);
        Assert.Equal(0, world.Mailboxes.Of(Alice).Acked);
    }

    [Fact]
    public async Task A_client_that_does_not_ack_in_time_is_closed_and_may_resume()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Advance(100, 1);
        world.Push(Alice, "1");
        client.ExpectPush("1");
        world.Advance(29.7);
        client.ExpectNothing();
        world.Advance(0.5);
        client.ExpectError(ReasonCode.AckTimeout);
        var next = world.Connect();
        Assert.Equal(ReasonCode.Ok, next.Resume(client.ResumeTicket, ResumeTests.Position(0)).Code);
        next.ExpectPush("1");
    }

    [Fact]
    public async Task Each_ack_that_moves_the_position_renews_the_ack_deadline()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        for (var i = 1; i <= 3; i++)
            world.Push(Alice, $"{i}");
        client.TakePushes();
        world.Advance(25, 0.5);
        client.Ack(1);
        world.Advance(25, 0.5);
        client.Ack(2);
        client.Ack(1);
        world.Advance(25, 0.5);
        client.ExpectNothing();
        world.Advance(6);
        client.ExpectError(ReasonCode.AckTimeout);
    }

    [Fact]
    public async Task A_session_without_messages_in_flight_has_no_ack_deadline()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Push(Alice, "1");
        client.ExpectPush("1");
        client.Ack(1);
        world.Advance(200, 1);
        client.ExpectAlive();
    }

    [Fact]
    public async Task The_latency_from_push_to_ack_is_measured()
    {
        await using var world = new RoomWorld();
        var samples = new List<double>();
        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, target) =>
        {
            if (instrument.Meter == world.Room.Context.Metrics.Meter && instrument.Name == "push_room_ack_latency")
                target.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((_, value, _, _) => samples.Add(value));
        listener.Start();
        var client = world.LogIn(Alice);
        world.Push(Alice, "1");
        world.Advance(2);
        client.ExpectPush("1");
        client.Ack(1);
        Assert.Equal([2000.0], samples);
    }

    [Fact]
    public async Task Acks_of_many_pushes_do_not_reach_the_frame_rate_but_empty_ones_do()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        for (var i = 1; i <= 1_000; i++)
        {
            world.Push(Alice, "x");
            client.ExpectPush("x");
            client.Ack(i);
        }
        client.ExpectAlive();
        for (var i = 0; i < 1_000; i++)
            client.Ack(1_000);
        client.ExpectError(ReasonCode.RateLimited);
    }
}
