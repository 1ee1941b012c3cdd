using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class ResumeTests
{
    public static TheoryData<int> NewShards => [0, 1];

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task A_resume_restores_the_bindings_without_traffic(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice, Bob);
        old.Drop();
        Assert.Equal(1, world.Room.Context.Metrics.Detached);
        var next = world.Connect(shard);
        var answer = next.Resume(old.ResumeTicket, Position(0), Position(1));
        Assert.Equal(ReasonCode.Ok, answer.Code);
        Assert.Equal(old.ConnectionId, next.ConnectionId);
        world.Push(Bob, "to bob");
        Assert.Equal(1, next.ExpectPush("to bob").AppIndex);
        world.Push(Alice, "to alice");
        Assert.Equal(0, next.ExpectPush("to alice").AppIndex);
        Assert.Equal(1, world.Registry.Script.Count("BindAsync"));
        Assert.Equal(1, world.Mailboxes.Script.Count("OpenAsync"));
        Assert.Empty(world.Mailboxes.Reads);
        Assert.Equal(0, world.Room.Context.Metrics.Detached);
        Assert.Equal(2, world.Room.Sessions);
    }

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task What_was_not_acknowledged_is_sent_again_from_the_resumed_position(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        for (var i = 1; i <= 5; i++)
            world.Push(Alice, $"{i}");
        old.TakePushes();
        old.Ack(1);
        old.Drop();
        var next = world.Connect(shard);
        next.Resume(old.ResumeTicket, Position(0, mailbox: 3));
        Assert.Equal([4, 5], next.TakePushes());
        world.Advance(0.3);
        Assert.Equal(3, world.Mailboxes.Of(Alice).Acked);
        next.Ack(5);
        world.Push(Alice, "6");
        Assert.Equal([6], next.TakePushes());
    }

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task What_came_in_the_meantime_follows(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "1"));
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "2"));
        Assert.Equal(DeliverOutcome.Dropped, world.Deliver(DeliveryTests.Transient("t")));
        Assert.Empty(world.Mailboxes.Reads);
        var next = world.Connect(shard);
        next.Resume(old.ResumeTicket, Position(0));
        Assert.Equal([1, 2], next.TakePushes());
    }

    [Fact]
    public async Task An_ack_of_what_the_old_socket_had_brought_counts_and_stops_the_repetition()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        for (var i = 1; i <= 5; i++)
            world.Push(Alice, $"{i}");
        old.Drop();
        var gate = world.Mailboxes.Script.HoldAfter("ReadAsync");
        var next = world.Connect(0);
        next.Resume(old.ResumeTicket, Position(0));
        next.Ack(4);
        gate.Release();
        Assert.Equal([5], next.TakePushes());
        next.Ack(5);
        next.ExpectAlive();
        next.Ack(6);
        next.ExpectError(ReasonCode.UnknownTarget);
    }

    [Fact]
    public async Task A_position_of_another_epoch_or_beyond_what_was_sent_gets_a_reset()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.Push(Alice, "1");
        old.Drop();
        var next = world.Connect();
        next.Resume(old.ResumeTicket, new ResumePosition(0, new StreamPosition(6, 1), new StreamPosition(3, 9)));
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 1, ResetReason.DataLoss), next.ExpectReset());
        Assert.Equal(new ResetMessage(0, StreamKind.Broadcast, 3, 1, ResetReason.DataLoss), next.ExpectReset());
        Assert.Equal([1], next.TakePushes());
        next.Drop();
        var third = world.Connect();
        third.Resume(next.ResumeTicket, Position(0, mailbox: 99));
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 1, ResetReason.DataLoss), third.ExpectReset());
        Assert.Equal([1], third.TakePushes());
    }

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task A_socket_that_only_seems_alive_is_taken_over(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.Push(Alice, "1");
        var next = world.Connect(shard);
        Assert.Equal(ReasonCode.Ok, next.Resume(old.ResumeTicket, Position(0)).Code);
        old.ExpectClosed();
        next.ExpectPush("1");
        world.Advance(40, 1);
        next.ExpectError(ReasonCode.AckTimeout);
        Assert.Equal(1, world.Room.Sessions);
        Assert.NotNull(world.Registry.Of(Alice));
    }

    [Fact]
    public async Task Frames_behind_resume_wait_for_it()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var next = world.Connect(1).SendPreface();
        next.SendResume(old.ResumeTicket).Ping();
        Assert.Equal(ReasonCode.Ok, next.ExpectResume().Code);
        next.Expect(Opcode.Pong);
    }

    [Fact]
    public async Task A_fresh_ticket_comes_with_each_resume_and_each_works()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(0, Alice);
        for (var i = 0; i < 6; i++)
        {
            client.Drop();
            var next = world.Connect(i % 2);
            Assert.Equal(ReasonCode.Ok, next.Resume(client.ResumeTicket, Position(0)).Code);
            Assert.Equal(client.ConnectionId, next.ConnectionId);
            client = next;
        }
        world.Push(Alice, "x");
        client.ExpectPush("x");
    }

    [Fact]
    public async Task A_device_that_never_got_the_answer_may_use_its_old_ticket_again()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var lost = world.Connect(1);
        lost.Resume(old.ResumeTicket);
        lost.Drop();
        var next = world.Connect(0);
        Assert.Equal(ReasonCode.Ok, next.Resume(old.ResumeTicket, Position(0)).Code);
        world.Push(Alice, "x");
        next.ExpectPush("x");
    }

    [Fact]
    public async Task After_the_grace_period_the_registry_is_told_and_a_full_login_is_needed()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(Alice);
        old.Drop();
        world.Advance(29.8);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "1"));
        world.Advance(0.4);
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Alice, "2"));
        await world.Until(() => world.Registry.Count == 0, "unbound");
        var next = world.Connect();
        Assert.Equal(ReasonCode.ResumeUnknown, next.Resume(old.ResumeTicket).Code);
        next.SendLogin(world.Binding(Alice));
        Assert.NotEqual(old.ConnectionId, next.ExpectLogin().Settings.ConnectionId);
        Assert.Equal([1, 2], next.TakePushes());
        Assert.Equal(0, world.Room.Context.Metrics.Detached);
    }

    [Fact]
    public async Task A_forged_foreign_or_expired_ticket_is_answered_full_login()
    {
        await using var world = new RoomWorld(options => options.ResumeTicketLifetime = TimeSpan.FromSeconds(20));
        var client = world.LogIn(Alice);
        client.Drop();
        await using var other = new RoomWorld();
        foreach (var ticket in new[]
        {
            [1],
            new byte[43],
            other.LogIn(Alice).ResumeTicket,
            [.. client.ResumeTicket[..^1], (byte)(client.ResumeTicket[^1] ^ 1)],
            [client.ResumeTicket[0], client.ResumeTicket[1], (byte)(client.ResumeTicket[2] ^ 1), .. client.ResumeTicket[3..]],
        })
        {
            var next = world.Connect();
            Assert.Equal(ReasonCode.ResumeUnknown, next.Resume(ticket).Code);
            next.SendLogin();
            next.ExpectLogin();
        }
        world.Advance(20.1);
        Assert.Equal(ReasonCode.ResumeUnknown, world.Connect().Resume(client.ResumeTicket).Code);
    }

    [Fact]
    public async Task A_second_resume_after_a_refusal_is_not_allowed_and_the_login_deadline_holds()
    {
        await using var world = new RoomWorld();
        var first = world.Connect();
        first.Resume([1, 2, 3]);
        first.SendResume([1, 2, 3]);
        first.ExpectError(ReasonCode.UnexpectedFrame);
        var second = world.Connect();
        world.Advance(6);
        second.Resume([1, 2, 3]);
        world.Advance(4.2);
        second.ExpectError(ReasonCode.LoginTimeout);
    }

    [Fact]
    public async Task Lost_connections_are_kept_in_a_bounded_number()
    {
        await using var world = new RoomWorld(options => options.MaxDetachedPerShard = 2, shards: 1);
        var clients = Enumerable.Range(0, 3).Select(i => world.LogIn(new UserKey("a", $"u{i}"))).ToList();
        clients.ForEach(client => client.Drop());
        Assert.Equal(2, world.Room.Context.Metrics.Detached);
        Assert.Equal(ReasonCode.ResumeUnknown, world.Connect().Resume(clients[0].ResumeTicket).Code);
        Assert.Equal(ReasonCode.Ok, world.Connect().Resume(clients[1].ResumeTicket).Code);
        await world.Until(() => world.Registry.Count == 2, "the oldest is unbound");
    }

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task A_room_that_keeps_no_lost_connection_refuses_every_resume(int shard)
    {
        await using var world = new RoomWorld(options => options.MaxDetachedPerShard = 0);
        var old = world.LogIn(0, Alice);
        var next = world.Connect(shard);
        Assert.Equal(ReasonCode.ResumeUnknown, next.Resume(old.ResumeTicket, Position(0)).Code);
        next.SendLogin(world.Binding(Alice));
        Assert.Equal(ReasonCode.Ok, next.ExpectLogin().Results[0].Code);
        old.ExpectClosed();
        next.Drop();
        Assert.Equal((0, 0L), (world.Room.Sessions, world.Room.Context.Metrics.Detached));
        await world.Until(() => world.Registry.Count == 0, "unbound");
    }

    [Fact]
    public async Task A_new_login_elsewhere_ends_the_lost_session()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var next = world.LogIn(1, Alice);
        Assert.Equal(1, world.Room.Sessions);
        Assert.Equal(0, world.Room.Context.Metrics.Detached);
        Assert.Equal(ReasonCode.ResumeUnknown, world.Connect().Resume(old.ResumeTicket).Code);
        world.Advance(31, 1);
        world.Push(Alice, "x");
        next.ExpectPush("x");
        Assert.Equal(next.ConnectionId, world.Registry.Of(Alice)!.Connection);
    }

    [Fact]
    public async Task A_binding_whose_answer_was_lost_can_be_asked_for_again()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.SendBind(1, world.Binding(Bob));
        world.Push(Bob, "1");
        old.Drop();
        var next = world.Connect(1);
        next.Resume(old.ResumeTicket, Position(0));
        world.Fanout(world.Broadcasts.Append("b", "other app"));
        Assert.Equal(DeliverOutcome.Dropped, world.Deliver(DeliveryTests.Transient("t") with { Key = Bob }));
        world.Advance(60, 1);
        next.ExpectNothing();
        var again = next.Bind(world.Binding(Bob));
        Assert.Equal((ReasonCode.Ok, 1, 0L), (again.Code, again.AppIndex, again.Mailbox.Seq));
        next.ExpectPush("1");
        next.Ack(1, index: 1);
        Assert.Equal(ReasonCode.AlreadyBound, next.Bind(world.Binding(Bob)).Code);
        Assert.Equal(ReasonCode.AlreadyBound, next.Bind(world.Binding(Alice)).Code);
    }

    [Fact]
    public async Task A_message_that_kills_its_client_again_and_again_is_set_aside()
    {
        await using var world = new RoomWorld();
        world.Apps.Change("a", app => app with { Limits = app.Limits with { DeliveryAttempts = 3 } });
        var client = world.LogIn(0, Alice);
        world.Push(Alice, "poison");
        world.Push(Alice, "good");
        for (var i = 0; i < 3; i++)
        {
            client.ExpectPush("poison");
            client.Drop();
            var next = world.Connect(i % 2);
            next.Resume(client.ResumeTicket, Position(0));
            client = next;
        }
        client.ExpectPush("poison");
        client.Drop();
        var last = world.Connect(0);
        last.Resume(client.ResumeTicket, Position(0));
        Assert.Equal((Alice, 1L), Assert.Single(world.Mailboxes.Parked));
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 2, ResetReason.Poison), last.ExpectReset());
        last.ExpectPush("good");
    }

    [Fact]
    public async Task Progress_between_resumes_means_no_poison()
    {
        await using var world = new RoomWorld();
        world.Apps.Change("a", app => app with { Limits = app.Limits with { DeliveryAttempts = 1 } });
        var client = world.LogIn(0, Alice);
        for (var i = 1; i <= 5; i++)
        {
            world.Push(Alice, $"{i}");
            client.ExpectPush($"{i}");
            client.Drop();
            var next = world.Connect(0);
            next.Resume(client.ResumeTicket, Position(0, mailbox: i));
            client = next;
        }
        Assert.Empty(world.Mailboxes.Parked);
    }

    [Fact]
    public async Task When_the_message_cannot_be_set_aside_it_is_delivered_once_more()
    {
        await using var world = new RoomWorld();
        world.Apps.Change("a", app => app with { Limits = app.Limits with { DeliveryAttempts = 0 } });
        world.Mailboxes.Script.Fail("ParkAsync");
        var client = world.LogIn(0, Alice);
        world.Push(Alice, "poison");
        client.Drop();
        var next = world.Connect(0);
        next.Resume(client.ResumeTicket, Position(0));
        next.ExpectPush("poison");
        Assert.Empty(world.Mailboxes.Parked);
    }

    [Fact]
    public async Task A_disabled_app_is_not_resumed()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice, new UserKey("b", "x"));
        old.Drop();
        world.Apps.Change("b", app => app with { Enabled = false });
        var next = world.Connect(1);
        next.Resume(old.ResumeTicket, Position(0), Position(1));
        Assert.Equal((ReasonCode.AppUnknown, 1), next.ExpectGoAway() is { } goAway ? (goAway.Reason, goAway.AppIndex) : default);
        next.ExpectAlive();
    }

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task A_reset_that_was_lost_with_the_socket_is_told_again(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.Push(Alice, "1");
        old.ExpectPush("1");
        old.Ack(1);
        var late = world.Mailboxes.Append(Alice, "late", TimeSpan.FromSeconds(1));
        world.Advance(2);
        world.Deliver(late);
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 3, ResetReason.Expired), old.ExpectReset());
        old.Drop();
        var next = world.Connect(shard);
        next.Resume(old.ResumeTicket, Position(0, mailbox: 1));
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 3, ResetReason.Expired), next.ExpectReset());
        world.Push(Alice, "3");
        Assert.Equal(3, next.ExpectPush("3").Seq);
    }

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task A_change_of_epoch_that_was_lost_with_the_socket_is_told_again(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        for (var i = 1; i <= 3; i++)
            world.Push(Alice, $"{i}");
        old.TakePushes();
        old.Ack(3);
        world.Mailboxes.Lose(Alice);
        world.Push(Alice, "new");
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 8, 1, ResetReason.DataLoss), old.ExpectReset());
        old.Drop();
        var next = world.Connect(shard);
        next.Resume(old.ResumeTicket, Position(0, mailbox: 3));
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 8, 1, ResetReason.DataLoss), next.ExpectReset());
        Assert.Equal(1, next.ExpectPush("new").Seq);
    }

    [Theory]
    [MemberData(nameof(NewShards))]
    public async Task A_binding_that_was_kicked_meanwhile_is_told_behind_the_resume(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice, Bob);
        old.Drop();
        world.Kick(Alice);
        await world.Unregistered();
        var next = world.Connect(shard);
        Assert.Equal(ReasonCode.Ok, next.Resume(old.ResumeTicket, Position(0), Position(1)).Code);
        var end = next.ExpectGoAway();
        Assert.Equal((ReasonCode.Kicked, 0), (end.Reason, end.AppIndex));
        world.Push(Bob, "to bob");
        next.ExpectPush("to bob");
    }

    [Fact]
    public async Task A_client_that_lost_its_own_position_is_told_what_is_gone()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        for (var i = 1; i <= 3; i++)
            world.Push(Alice, $"{i}");
        old.TakePushes();
        old.Ack(3);
        old.Drop();
        var next = world.Connect(0);
        next.Resume(old.ResumeTicket, Position(0, mailbox: 1));
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 7, 4, ResetReason.DataLoss), next.ExpectReset());
    }

    internal static ResumePosition Position(int index, long mailbox = 0, long broadcast = 0) =>
        new(index, new StreamPosition(mailbox == 0 ? 0 : 7u, mailbox), new StreamPosition(broadcast == 0 ? 0 : 3u, broadcast));
}
