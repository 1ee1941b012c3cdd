using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class PullBindingTests
{
    [Fact]
    public async Task A_pull_binding_is_told_of_messages_and_fetches_them()
    {
        await using var world = new RoomWorld();
        var client = LogInToPull(world);
        world.Push(Alice, "1");
        Assert.Equal(new NotifyMessage(0, StreamKind.Mailbox, 7, 1), client.ExpectNotify());
        world.Push(Alice, "2");
        Assert.Equal(2, client.ExpectNotify().TopSeq);
        client.Fetch(9, 1, 10);
        Assert.True(client.ExpectPush("1").Fetched);
        Assert.Equal(2, client.ExpectPush("2").Seq);
        Assert.Equal(new FetchOkMessage(9, ReasonCode.Ok, 2, 3, 2), client.ExpectFetchOk());
        client.Ack(1);
        client.Ack(2);
        world.Advance(0.3);
        Assert.Equal(2, world.Mailboxes.Of(Alice).Acked);
    }

    [Fact]
    public async Task What_waits_is_told_at_bind_and_after_a_resume()
    {
        await using var world = new RoomWorld();
        world.Mailboxes.Append(Alice, "1");
        var client = LogInToPull(world);
        Assert.Equal(1, client.ExpectNotify().TopSeq);
        client.Drop();
        world.Push(Alice, "2");
        var next = world.Connect();
        next.Resume(client.ResumeTicket, new ResumePosition(0, default, default));
        Assert.Equal(2, next.ExpectNotify().TopSeq);
        next.ExpectNothing();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task After_a_resume_what_was_fetched_and_not_acknowledged_is_told_again(int shard)
    {
        await using var world = new RoomWorld();
        var client = world.Connect(0);
        client.Login(world.Binding(Alice, pull: true));
        for (var i = 1; i <= 3; i++)
            world.Push(Alice, $"{i}");
        world.Fanout(world.Broadcasts.Append("a", "news"));
        client.TakeAll();
        client.Fetch(1, 1, 10);
        client.TakeAll();
        client.Ack(1);
        client.Drop();
        var next = world.Connect(shard);
        next.Resume(client.ResumeTicket, new ResumePosition(0, new StreamPosition(7, 1), new StreamPosition(3, 0)));
        Assert.Equal(new NotifyMessage(0, StreamKind.Mailbox, 7, 3), next.ExpectNotify());
        Assert.Equal(new NotifyMessage(0, StreamKind.Broadcast, 3, 1), next.ExpectNotify());
        next.ExpectNothing();
        next.Fetch(2, 2, 10);
        next.ExpectPush("2");
        next.ExpectPush("3");
        Assert.Equal(new FetchOkMessage(2, ReasonCode.Ok, 2, 4, 3), next.ExpectFetchOk());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task After_a_resume_nothing_is_told_of_what_was_acknowledged_and_new_messages_are(int shard)
    {
        await using var world = new RoomWorld();
        var client = world.Connect(0);
        client.Login(world.Binding(Alice, pull: true));
        world.Push(Alice, "1");
        client.ExpectNotify();
        client.Fetch(1, 1, 10);
        client.TakeAll();
        client.Drop();
        var next = world.Connect(shard);
        // Its ACK was lost with the socket; the position says the same.
        next.Resume(client.ResumeTicket, new ResumePosition(0, new StreamPosition(7, 1), default));
        next.ExpectNothing();
        world.Push(Alice, "2");
        Assert.Equal(new NotifyMessage(0, StreamKind.Mailbox, 7, 2), next.ExpectNotify());
        world.Advance(0.3);
        Assert.Equal(1, world.Mailboxes.Of(Alice).Acked);
    }

    [Fact]
    public async Task A_new_epoch_while_the_socket_was_lost_is_told_before_what_waits()
    {
        await using var world = new RoomWorld();
        var client = LogInToPull(world);
        world.Push(Alice, "1");
        client.ExpectNotify();
        client.Drop();
        world.Mailboxes.Lose(Alice);
        world.Push(Alice, "new");
        var next = world.Connect();
        next.Resume(client.ResumeTicket, new ResumePosition(0, new StreamPosition(7, 0), default));
        Assert.Equal(8u, next.ExpectReset().Epoch);
        Assert.Equal(new NotifyMessage(0, StreamKind.Mailbox, 8, 1), next.ExpectNotify());
        next.ExpectNothing();
    }

    [Fact]
    public async Task A_fetch_is_bounded_by_its_count_and_says_where_to_go_on()
    {
        await using var world = new RoomWorld();
        for (var i = 1; i <= 100; i++)
            world.Mailboxes.Append(Alice, $"{i}");
        var client = LogInToPull(world);
        client.ExpectNotify();
        client.Fetch(1, 1, 70);
        for (var i = 1; i <= 70; i++)
            Assert.Equal(i, client.ExpectPush($"{i}").Seq);
        Assert.Equal(new FetchOkMessage(1, ReasonCode.Ok, 70, 71, 100), client.ExpectFetchOk());
        client.Fetch(2, 71, 1000);
        Assert.Equal(30, client.TakeAll().Count(frame => frame.Opcode == Opcode.Push));
        Assert.Equal(0, world.Room.Context.Shards.Sum(shard => shard.Rings.Rented));
    }

    [Fact]
    public async Task An_ack_of_a_part_leaves_the_rest_to_be_fetched_again()
    {
        await using var world = new RoomWorld();
        for (var i = 1; i <= 4; i++)
            world.Mailboxes.Append(Alice, $"{i}");
        var client = LogInToPull(world);
        client.ExpectNotify();
        client.Fetch(1, 1, 10);
        client.TakeAll();
        client.Ack(2);
        client.Fetch(2, 1, 10);
        client.ExpectPush("3");
        client.ExpectPush("4");
        client.ExpectFetchOk();
    }

    [Fact]
    public async Task Gaps_in_a_fetched_range_are_told()
    {
        await using var world = new RoomWorld();
        for (var i = 1; i <= 4; i++)
            world.Mailboxes.Append(Alice, $"{i}");
        world.Mailboxes.Drop(Alice, 2, 3, ResetReason.Cancelled);
        var client = LogInToPull(world);
        client.ExpectNotify();
        client.Fetch(1, 1, 10);
        client.ExpectPush("1");
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 4, ResetReason.Cancelled), client.ExpectReset());
        client.ExpectPush("4");
        Assert.Equal(2, client.ExpectFetchOk().Count);
    }

    [Fact]
    public async Task A_fetch_beyond_the_top_is_answered_with_nothing()
    {
        await using var world = new RoomWorld();
        var client = LogInToPull(world);
        client.Fetch(1, 5, 10);
        Assert.Equal(new FetchOkMessage(1, ReasonCode.Ok, 0, 5, 0), client.ExpectFetchOk());
    }

    [Fact]
    public async Task One_fetch_is_under_way_at_a_time()
    {
        await using var world = new RoomWorld();
        world.Mailboxes.Append(Alice, "1");
        var client = LogInToPull(world);
        client.ExpectNotify();
        var gate = world.Mailboxes.Script.HoldBefore("ReadAsync");
        client.Fetch(1, 1, 10);
        client.Fetch(2, 1, 10);
        Assert.Equal(new FetchOkMessage(2, ReasonCode.Busy, 0, 1, 1), client.ExpectFetchOk());
        gate.Release();
        client.ExpectPush("1");
        Assert.Equal(1, client.ExpectFetchOk().RequestId);
    }

    [Fact]
    public async Task A_fetch_while_the_store_is_away_is_answered_busy()
    {
        await using var world = new RoomWorld();
        world.Mailboxes.Append(Alice, "1");
        var client = LogInToPull(world);
        client.ExpectNotify();
        world.Mailboxes.Script.Fail("ReadAsync");
        client.Fetch(1, 1, 10);
        Assert.Equal(ReasonCode.Busy, client.ExpectFetchOk().Code);
        client.Fetch(2, 1, 10);
        client.ExpectPush("1");
    }

    [Fact]
    public async Task A_fetch_waits_for_the_output_and_goes_on_when_it_has_drained()
    {
        await using var world = new RoomWorld(options => options.MaxDataOutputBytes = 2_000);
        for (var i = 1; i <= 20; i++)
            world.Mailboxes.Append(Alice, new string('x', 900));
        var client = LogInToPull(world);
        client.ExpectNotify();
        client.Wire.StopReading(100);
        client.Fetch(1, 1, 100);
        world.Run();
        Assert.InRange(client.Wire.Unread, 1, 100);
        client.Wire.ContinueReading();
        world.Advance(2);
        var frames = client.TakeAll();
        Assert.Equal(20, frames.Count(frame => frame.Opcode == Opcode.Push));
        Assert.Equal(Opcode.FetchOk, frames[^1].Opcode);
    }

    [Fact]
    public async Task A_push_binding_may_fetch_what_it_has_got_and_not_acknowledged()
    {
        await using var world = new RoomWorld(options => (options.WindowMessages, options.AckCount) = (4, 1));
        var client = world.LogIn(Alice);
        for (var i = 1; i <= 8; i++)
            world.Push(Alice, $"{i}");
        client.TakePushes();
        client.Ack(1);
        client.Fetch(1, 1, 100);
        Assert.Equal([2, 3, 4], client.TakeAll().Where(frame => frame.Opcode == Opcode.Push).Select(frame => PushFrame.Read(frame.Body).Seq));
        client.Fetch(2, 9, 1);
        Assert.Equal(0, client.ExpectFetchOk().Count);
        client.Ack(4);
        Assert.Equal([5, 6, 7, 8], client.TakePushes());
    }

    [Fact]
    public async Task A_fetch_of_an_index_that_was_never_given_ends_the_connection()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Fetch(1, 1, 1, index: 3);
        client.ExpectError(ReasonCode.UnknownTarget);
    }

    [Fact]
    public async Task A_fetch_of_an_ended_binding_is_refused_alone()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        client.Unbind(0).Expect(Opcode.UnbindOk);
        client.Fetch(1, 1, 1);
        Assert.Equal(ReasonCode.UnknownTarget, client.ExpectFetchOk().Code);
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_binding_that_ends_during_its_fetch_ends_the_fetch()
    {
        await using var world = new RoomWorld();
        world.Mailboxes.Append(Alice, "1");
        var client = LogInToPull(world);
        client.ExpectNotify();
        client.Bind(world.Binding(Bob));
        var gate = world.Mailboxes.Script.HoldAfter("ReadAsync");
        client.Fetch(1, 1, 10);
        world.Kick(Alice);
        client.ExpectGoAway();
        gate.Release();
        Assert.Equal(ReasonCode.UnknownTarget, client.ExpectFetchOk().Code);
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_new_epoch_is_told_to_a_pull_binding()
    {
        await using var world = new RoomWorld();
        var client = LogInToPull(world);
        world.Mailboxes.Lose(Alice);
        world.Push(Alice, "new");
        Assert.Equal(8u, client.ExpectReset().Epoch);
        Assert.Equal(new NotifyMessage(0, StreamKind.Mailbox, 8, 1), client.ExpectNotify());
    }

    [Fact]
    public async Task Broadcasts_are_told_and_fetched_too()
    {
        await using var world = new RoomWorld();
        var client = LogInToPull(world);
        var command = world.Broadcasts.Append("a", "news");
        world.Fanout(command);
        Assert.Equal(new NotifyMessage(0, StreamKind.Broadcast, 3, 1), client.ExpectNotify());
        Assert.Equal(0, world.Query(command).Sent);
        client.Fetch(1, 1, 10, stream: StreamKind.Broadcast);
        Assert.Equal(StreamKind.Broadcast, client.ExpectPush("news").Stream);
        Assert.Equal(1, world.Query(command).Sent);
    }

    private static TestClient LogInToPull(RoomWorld world)
    {
        var client = world.Connect();
        Assert.Equal(ReasonCode.Ok, client.Login(world.Binding(Alice, pull: true)).Results[0].Code);
        return client;
    }
}
