using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class DeliveryTests
{
    [Fact]
    public async Task A_message_in_order_is_sent_at_once_without_a_read()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "hello"));
        Assert.Equal(new PushFrame(0, StreamKind.Mailbox, false, false, 1, 0, "hello"), client.ExpectPush("hello"));
        Assert.Empty(world.Mailboxes.Reads);
    }

    [Fact]
    public async Task A_user_who_is_not_here_is_answered_so()
    {
        await using var world = new RoomWorld();
        world.LogIn(Bob);
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Alice, "x"));
    }

    [Fact]
    public async Task A_delivery_for_another_generation_is_answered_not_here()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var generation = world.Registry.Of(Alice)!.Generation;
        Assert.Equal(DeliverOutcome.NotHere, world.Deliver(world.Mailboxes.Append(Alice, "x", generation: generation + 1)));
        client.ExpectNothing();
        Assert.Equal(DeliverOutcome.Taken, world.Deliver(world.Mailboxes.Append(Alice, "y", generation: generation)));
        Assert.Equal([1, 2], client.TakePushes());
    }

    [Fact]
    public async Task A_batch_for_many_users_is_answered_item_by_item()
    {
        await using var world = new RoomWorld(shards: 4);
        var clients = Enumerable.Range(0, 20).Select(i => (Key: new UserKey("a", $"u{i}"), Client: world.LogIn(i % 4, new UserKey("a", $"u{i}")))).ToList();
        var items = clients.Select(pair => world.Mailboxes.Append(pair.Key, pair.Key.User)).ToList();
        items.Insert(7, world.Mailboxes.Append(Alice, "nobody"));
        var outcomes = world.DeliverAll([.. items]);
        Assert.Equal(DeliverOutcome.NotHere, outcomes[7]);
        Assert.Equal(20, outcomes.Count(outcome => outcome == DeliverOutcome.Taken));
        Assert.All(clients, pair => pair.Client.ExpectPush(pair.Key.User));
    }

    [Fact]
    public async Task Several_messages_of_one_user_in_a_batch_keep_their_order()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.DeliverAll([.. Enumerable.Range(1, 10).Select(i => world.Mailboxes.Append(Alice, $"m{i}"))]);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], client.TakePushes());
    }

    [Fact]
    public async Task A_gap_is_filled_from_the_mailbox_and_order_holds()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Mailboxes.Append(Alice, "1");
        world.Mailboxes.Append(Alice, "2");
        world.Push(Alice, "3");
        Assert.Equal([1, 2, 3], client.TakePushes());
        Assert.Equal(1, Assert.Single(world.Mailboxes.Reads).FromSeq);
    }

    [Fact]
    public async Task Deliveries_out_of_order_reach_the_client_in_order_and_once()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var items = Enumerable.Range(1, 6).Select(i => world.Mailboxes.Append(Alice, $"{i}")).ToArray();
        foreach (var i in new[] { 3, 0, 5, 1, 1, 4, 2 })
            world.Deliver(items[i]);
        Assert.Equal([1, 2, 3, 4, 5, 6], client.TakePushes());
    }

    [Fact]
    public async Task A_message_that_arrives_while_a_read_is_under_way_is_sent_after_it()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Mailboxes.Append(Alice, "1");
        var gate = world.Mailboxes.Script.HoldAfter("ReadAsync");
        world.Push(Alice, "2");
        world.Push(Alice, "3");
        client.ExpectNothing();
        gate.Release();
        Assert.Equal([1, 2, 3], client.TakePushes());
    }

    [Fact]
    public async Task A_read_that_finds_nothing_is_not_repeated_without_end()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Deliver(new DeliverItem(Alice, 0, 7, 5, PayloadKind.Text, 0, "ghost"u8.ToArray()));
        Assert.Single(world.Mailboxes.Reads);
        client.ExpectNothing();
        world.Push(Alice, "1");
        Assert.Equal([1], client.TakePushes());
    }

    [Fact]
    public async Task A_message_noted_while_an_empty_read_is_under_way_is_read_again()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var gate = world.Mailboxes.Script.HoldAfter("ReadAsync");
        world.Deliver(new DeliverItem(Alice, 0, 7, 2, PayloadKind.Text, 0, "ghost"u8.ToArray()));
        world.Mailboxes.Append(Alice, "1");
        world.Mailboxes.Append(Alice, "2");
        world.Push(Alice, "3");
        gate.Release();
        Assert.Equal([1, 2, 3], client.TakePushes());
    }

    [Fact]
    public async Task A_store_that_was_away_is_asked_again()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Mailboxes.Append(Alice, "1");
        world.Mailboxes.Script.Fail("ReadAsync", 2);
        world.Push(Alice, "2");
        world.Advance(1);
        client.ExpectNothing();
        world.Advance(1.3);
        Assert.Equal([1, 2], client.TakePushes());
        Assert.Equal(3, world.Mailboxes.Script.Count("ReadAsync"));
    }

    [Fact]
    public async Task The_window_bounds_messages_in_flight_and_acks_open_it()
    {
        await using var world = new RoomWorld(options => (options.WindowMessages, options.AckCount) = (4, 2));
        var client = world.LogIn(Alice);
        for (var i = 1; i <= 10; i++)
            world.Push(Alice, $"{i}");
        Assert.Equal([1, 2, 3, 4], client.TakePushes());
        client.Ack(1);
        client.ExpectNothing();
        client.Ack(2);
        Assert.Equal([5, 6], client.TakePushes());
        client.Ack(6);
        Assert.Equal([7, 8, 9, 10], client.TakePushes());
        client.Ack(10);
        client.ExpectNothing();
        world.Push(Alice, "11");
        Assert.Equal([11], client.TakePushes());
    }

    [Fact]
    public async Task The_window_bounds_bytes_in_flight_but_lets_one_message_through()
    {
        await using var world = new RoomWorld(options => options.WindowBytes = 100);
        var client = world.LogIn(Alice);
        world.Push(Alice, new string('a', 500));
        world.Push(Alice, new string('b', 60));
        world.Push(Alice, new string('c', 60));
        world.Push(Alice, new string('d', 10));
        Assert.Equal([1], client.TakePushes());
        client.Ack(1);
        Assert.Equal([2], client.TakePushes());
        client.Ack(2);
        Assert.Equal([3, 4], client.TakePushes());
    }

    [Fact]
    public async Task Nothing_is_sent_twice_on_one_connection()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var item = world.Mailboxes.Append(Alice, "1");
        world.Deliver(item);
        world.Deliver(item);
        Assert.Equal([1], client.TakePushes());
        client.Ack(1);
        world.Deliver(item);
        world.Advance(12);
        client.ExpectNothing();
    }

    [Fact]
    public async Task A_message_that_expired_on_its_way_becomes_a_reset()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var item = world.Mailboxes.Append(Alice, "late", TimeSpan.FromSeconds(1));
        world.Advance(2);
        world.Deliver(item);
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 2, ResetReason.Expired), client.ExpectReset());
        world.Push(Alice, "fresh");
        Assert.Equal(2, client.ExpectPush("fresh").Seq);
        client.Ack(2);
        client.ExpectAlive();
    }

    [Fact]
    public async Task Expired_and_removed_messages_in_a_range_become_one_reset_each_run()
    {
        await using var world = new RoomWorld();
        world.Mailboxes.Append(Alice, "1");
        world.Mailboxes.Append(Alice, "2", TimeSpan.FromSeconds(1));
        world.Mailboxes.Append(Alice, "3", TimeSpan.FromSeconds(1));
        world.Mailboxes.Append(Alice, "4");
        world.Mailboxes.Append(Alice, "5");
        world.Mailboxes.Append(Alice, "6");
        world.Mailboxes.Append(Alice, "7");
        world.Mailboxes.Drop(Alice, 5, 6, ResetReason.Cancelled);
        world.Mailboxes.Drop(Alice, 7, 7, ResetReason.Overflow);
        world.Advance(2);
        var client = world.LogIn(Alice);
        client.ExpectPush("1");
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 4, ResetReason.Expired), client.ExpectReset());
        client.ExpectPush("4");
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 7, ResetReason.Cancelled), client.ExpectReset());
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 8, ResetReason.Overflow), client.ExpectReset());
        client.ExpectNothing();
        client.Ack(4);
        Assert.Equal(8, world.Push(Alice, "8") == DeliverOutcome.Taken ? client.ExpectPush("8").Seq : 0);
    }

    [Fact]
    public async Task An_opening_that_skipped_messages_is_told()
    {
        await using var world = new RoomWorld();
        for (var i = 1; i <= 6; i++)
            world.Mailboxes.Append(Alice, $"{i}");
        world.Mailboxes.Of(Alice).Acked = 4;
        world.Mailboxes.Of(Alice).OpenGap = ResetReason.Poison;
        var client = world.Connect();
        Assert.Equal(new StreamPosition(7, 4), client.Login(world.Binding(Alice)).Results[0].Mailbox);
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 5, ResetReason.Poison), client.ExpectReset());
        Assert.Equal([5, 6], client.TakePushes());
    }

    [Fact]
    public async Task A_new_epoch_is_told_and_the_stream_starts_anew()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Push(Alice, "old");
        client.ExpectPush("old");
        world.Mailboxes.Lose(Alice);
        world.Push(Alice, "new");
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 8, 1, ResetReason.DataLoss), client.ExpectReset());
        Assert.Equal(1, client.ExpectPush("new").Seq);
        client.Ack(1, epoch: 7);
        world.Advance(0.3);
        Assert.Empty(world.Mailboxes.Acks);
        client.Ack(1, epoch: 8);
        world.Advance(0.3);
        Assert.Equal(new AckEntry(Alice, StreamKind.Mailbox, 8, 1), Assert.Single(world.Mailboxes.Acks));
    }

    [Fact]
    public async Task A_position_of_a_lost_epoch_is_answered_with_a_reset_at_login()
    {
        await using var world = new RoomWorld();
        world.Mailboxes.Append(Alice, "1");
        var client = world.Connect();
        client.Login(world.Binding(Alice, mailbox: new StreamPosition(6, 40)));
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 1, ResetReason.DataLoss), client.ExpectReset());
        client.ExpectPush("1");
    }

    [Fact]
    public async Task The_expiry_goes_to_the_client_in_seconds_rounded_up()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Deliver(world.Mailboxes.Append(Alice, "x", TimeSpan.FromMilliseconds(1500)));
        Assert.Equal(world.Clock.GetUtcNow().ToUnixTimeSeconds() + 2, client.ExpectPush("x").ExpiresAt);
    }

    [Fact]
    public async Task A_transient_message_has_no_number_and_no_ack()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        Assert.Equal(DeliverOutcome.Taken, world.Deliver(Transient("typing")));
        var push = client.ExpectPush("typing");
        Assert.True(push.Transient);
        Assert.Equal(0, push.Seq);
        world.Advance(60, 1);
        client.ExpectAlive();
    }

    [Fact]
    public async Task An_expired_transient_message_is_dropped()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        Assert.Equal(DeliverOutcome.Dropped, world.Deliver(Transient("x") with { ExpiresAt = 1 }));
        client.ExpectNothing();
    }

    [Fact]
    public async Task When_deliveries_hold_too_many_bytes_the_mailbox_is_read_instead()
    {
        await using var world = new RoomWorld(options => options.MaxDeliverBytes = 10);
        var client = world.LogIn(Alice);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "a payload of many bytes"));
        client.ExpectPush("a payload of many bytes");
        Assert.Single(world.Mailboxes.Reads);
        Assert.Equal(DeliverOutcome.Dropped, world.Deliver(Transient("a payload of many bytes")));
    }

    [Fact]
    public async Task Reads_are_bounded_in_number_and_the_others_get_their_turn()
    {
        await using var world = new RoomWorld(options => options.MaxConcurrentPulls = 1, shards: 1);
        world.Mailboxes.Append(Alice, "1");
        world.Mailboxes.Append(Bob, "1");
        var gate = world.Mailboxes.Script.HoldAfter("ReadAsync");
        var alice = world.LogIn(Alice);
        var bob = world.LogIn(Bob);
        Assert.Equal(1, world.Room.Context.Shards[0].Pulls.Active);
        Assert.Equal(1, world.Room.Context.Shards[0].Pulls.Waiting);
        alice.ExpectNothing();
        bob.ExpectNothing();
        gate.Release();
        alice.ExpectPush("1");
        bob.ExpectPush("1");
        Assert.Equal(0, world.Room.Context.Shards[0].Pulls.Active);
    }

    [Fact]
    public async Task No_ring_is_held_while_nothing_or_one_message_is_in_flight()
    {
        await using var world = new RoomWorld(shards: 1);
        var client = world.LogIn(Alice);
        var rings = world.Room.Context.Shards[0].Rings;
        world.Push(Alice, "1");
        Assert.Equal(0, rings.Rented);
        world.Push(Alice, "2");
        world.Push(Alice, "3");
        Assert.Equal(1, rings.Rented);
        client.Ack(2);
        Assert.Equal(0, rings.Rented);
        client.Ack(3);
        Assert.Equal(0, rings.Rented);
    }

    internal static DeliverItem Transient(string text) =>
        new(Alice, 0, 0, 0, PayloadKind.Text, 0, System.Text.Encoding.UTF8.GetBytes(text));
}
