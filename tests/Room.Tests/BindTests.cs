using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class BindTests
{
    [Fact]
    public async Task Each_binding_has_its_own_result()
    {
        await using var world = new RoomWorld();
        world.Apps.Set(new AppRecord { Id = "off", Enabled = false });
        var client = world.Connect();
        var expired = world.Binding(Bob) with { Ticket = world.TicketFor(Bob, TimeSpan.FromSeconds(-1)) };
        var forged = world.TicketFor(Alice);
        forged[^1] ^= 1;
        var otherKey = Ticket.Issue(new TicketKey(9, new byte[32]), "a", "alice", world.Clock.GetUtcNow().AddHours(1));
        var answer = client.Login(
            world.Binding(Alice),
            expired,
            world.Binding(Alice),
            world.Binding(new UserKey("nope", "x")),
            world.Binding(new UserKey("off", "x")),
            new BindRequest("a", "carl", world.TicketFor(Bob), false, default, default),
            new BindRequest("a", "dora", forged, false, default, default),
            new BindRequest("a", "erna", otherKey, false, default, default),
            new BindRequest("a", "fred", new byte[3], false, default, default),
            world.Binding(new UserKey("b", "alice")));
        Assert.Equal(
        [
            ReasonCode.Ok, ReasonCode.TicketExpired, ReasonCode.AlreadyBound, ReasonCode.AppUnknown, ReasonCode.AppUnknown, ReasonCode.TicketMismatch,
            ReasonCode.TicketInvalid, ReasonCode.TicketKeyUnknown, ReasonCode.TicketInvalid, ReasonCode.Ok,
        ], answer.Results.Select(result => result.Code));
        Assert.Equal([0, 1], answer.Results.Where(result => result.Code == ReasonCode.Ok).Select(result => result.AppIndex));
        Assert.All(answer.Results.Where(result => result.Code != ReasonCode.Ok), result => Assert.Equal(new BindResult(result.Code, 0, default, default), result));
        Assert.Equal(2, world.Room.Sessions);
        Assert.Equal(2, world.Registry.Count);
    }

    [Fact]
    public async Task A_rotated_ticket_key_is_accepted_beside_the_old_one()
    {
        await using var world = new RoomWorld();
        var fresh = new TicketKey(2, Enumerable.Repeat((byte)3, 32).ToArray());
        world.Apps.Change("a", app => app with { TicketKeys = [.. app.TicketKeys, new AppTicketKey(2, fresh.Secret, 0)] });
        var client = world.LogIn(Alice);
        var ticket = Ticket.Issue(fresh, "a", "bob", world.Clock.GetUtcNow().AddHours(1));
        Assert.Equal(ReasonCode.Ok, client.Bind(world.Binding(Bob) with { Ticket = ticket }).Code);
    }

    [Fact]
    public async Task More_bindings_are_made_one_by_one_and_indexes_are_never_used_again()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        Assert.Equal(1, client.Bind(world.Binding(Bob)).AppIndex);
        client.Unbind(1).Expect(Opcode.UnbindOk);
        await world.Unregistered();
        Assert.Equal(2, client.Bind(world.Binding(Bob)).AppIndex);
        world.Push(Bob, "to bob");
        Assert.Equal(2, client.ExpectPush("to bob").AppIndex);
    }

    [Fact]
    public async Task A_connection_has_a_bounded_number_of_bindings()
    {
        await using var world = new RoomWorld(options => options.MaxBindings = 2);
        var client = world.LogIn(Alice, Bob);
        Assert.Equal(ReasonCode.TooManyBindings, client.Bind(world.Binding(new UserKey("b", "x"))).Code);
        client.Unbind(0).Expect(Opcode.UnbindOk);
        await world.Unregistered();
        Assert.Equal(ReasonCode.Ok, client.Bind(world.Binding(new UserKey("b", "x"))).Code);
    }

    [Fact]
    public async Task The_client_position_is_given_to_the_store_and_the_stream_goes_on_behind_it()
    {
        await using var world = new RoomWorld();
        for (var i = 1; i <= 5; i++)
            world.Mailboxes.Append(Alice, $"m{i}");
        var client = world.Connect();
        var result = client.Login(world.Binding(Alice, mailbox: new StreamPosition(7, 3))).Results[0];
        Assert.Equal(new StreamPosition(7, 3), result.Mailbox);
        Assert.Equal(3, world.Mailboxes.Of(Alice).Acked);
        client.ExpectPush("m4");
        client.ExpectPush("m5");
        client.ExpectNothing();
    }

    [Fact]
    public async Task A_message_delivered_while_the_registry_is_asked_is_not_lost()
    {
        await using var world = new RoomWorld();
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "early"));
        gate.Release();
        client.ExpectLogin();
        client.ExpectPush("early");
        client.ExpectNothing();
    }

    [Fact]
    public async Task A_message_stored_after_the_mailbox_was_read_and_delivered_before_the_answer_is_not_lost()
    {
        await using var world = new RoomWorld();
        var gate = world.Mailboxes.Script.HoldAfter("OpenAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "between"));
        gate.Release();
        client.ExpectLogin();
        client.ExpectPush("between");
        Assert.Single(world.Mailboxes.Reads);
    }

    [Fact]
    public async Task A_delivery_under_another_epoch_during_the_opening_is_found_by_a_read()
    {
        await using var world = new RoomWorld();
        var gate = world.Mailboxes.Script.HoldAfter("OpenAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        world.Mailboxes.Lose(Alice);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "new epoch"));
        gate.Release();
        client.ExpectLogin();
        Assert.Equal(new ResetMessage(0, StreamKind.Mailbox, 8, 1, ResetReason.DataLoss), client.ExpectReset());
        client.ExpectPush("new epoch");
    }

    [Fact]
    public async Task A_transient_message_during_the_opening_is_dropped()
    {
        await using var world = new RoomWorld();
        var gate = world.Mailboxes.Script.HoldAfter("OpenAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        Assert.Equal(DeliverOutcome.Dropped, world.Deliver(new DeliverItem(Alice, 0, 0, 0, PayloadKind.Text, 0, "typing"u8.ToArray())));
        gate.Release();
        client.ExpectLogin();
        client.ExpectNothing();
    }

    [Theory]
    [InlineData("BindAsync")]
    [InlineData("OpenAsync")]
    public async Task A_store_that_is_away_refuses_the_binding_and_keeps_the_connection(string call)
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        (call == "BindAsync" ? world.Registry.Script : world.Mailboxes.Script).Fail(call);
        Assert.Equal(ReasonCode.BindUnavailable, client.Bind(world.Binding(Bob)).Code);
        await world.Until(() => world.Registry.UnbindCount == 1, "the entry is removed in case it was written");
        Assert.Null(world.Registry.Of(Bob));
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Bob, "x"));
        await world.Unregistered();
        Assert.Equal(ReasonCode.Ok, client.Bind(world.Binding(Bob)).Code);
        client.ExpectPush("x");
    }

    [Fact]
    public async Task An_unexpected_failure_of_a_store_is_logged_and_refuses_the_binding()
    {
        await using var world = new RoomWorld { ErrorsExpected = true };
        var client = world.LogIn(Alice);
        world.Mailboxes.Script.Fail("OpenAsync", 1, new InvalidOperationException("bug"));
        Assert.Equal(ReasonCode.BindUnavailable, client.Bind(world.Binding(Bob)).Code);
        Assert.Contains(world.Loggers.Errors, error => error.Contains("bug"));
    }

    [Fact]
    public async Task A_bind_waits_for_the_one_before_it_while_other_frames_pass()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var gate = world.Mailboxes.Script.HoldBefore("OpenAsync");
        client.SendBind(1, world.Binding(Bob));
        client.ExpectAlive();
        client.SendBind(2, world.Binding(new UserKey("b", "x")));
        client.Ping();
        client.ExpectNothing();
        gate.Release();
        Assert.Equal(1, client.ExpectBind().AppIndex);
        client.Expect(Opcode.Pong);
        Assert.Equal(2, client.ExpectBind().AppIndex);
    }

    [Fact]
    public async Task A_bind_behind_an_unbind_of_the_same_user_does_not_wait_and_is_not_undone_by_it()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var gate = world.Registry.Script.HoldBefore("UnbindAsync");
        client.Unbind(0).Expect(Opcode.UnbindOk);
        await world.Until(() => gate.Arrived, "the registry is asked to forget");
        Assert.Equal(ReasonCode.Ok, client.Bind(world.Binding(Alice)).Code);
        gate.Release();
        await world.Unregistered();
        Assert.Equal((false, 1), (world.Registry.Unbinds.Single().Removed, world.Registry.Unbinds.Single().Entry.Generation));
        Assert.Equal(2, world.Registry.Of(Alice)!.Generation);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "x"));
        client.ExpectPush("x");
    }

    [Fact]
    public async Task A_bind_behind_one_of_unknown_outcome_waits_until_that_is_undone()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Bob);
        var lost = world.Registry.Script.HoldAfter("BindAsync");
        client.SendBind(1, world.Binding(Alice));
        var gate = world.Registry.Script.HoldBefore("UnbindAsync");
        lost.Fail();
        Assert.Equal(ReasonCode.BindUnavailable, client.ExpectBind().Code);
        await world.Until(() => gate.Arrived, "the registry is asked to forget");
        client.SendBind(2, world.Binding(Alice));
        client.ExpectNothing();
        gate.Release();
        await world.Until(() => world.Registry.Script.Count("BindAsync") == 3, "bound again");
        Assert.Equal(ReasonCode.Ok, client.ExpectBind().Code);
        await world.Unregistered();
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "x"));
        client.ExpectPush("x");
    }

    [Fact]
    public async Task A_bind_is_refused_and_not_held_while_one_of_unknown_outcome_cannot_be_undone()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Bob);
        world.Registry.Script.Fail("UnbindAsync", 100);
        world.Registry.Script.Fail("BindAsync");
        Assert.Equal(ReasonCode.BindUnavailable, client.Bind(world.Binding(Alice)).Code);
        await world.Until(() => world.Room.Context.Unregistrar.IsFailing, "the registry fails");
        Assert.Equal(ReasonCode.BindUnavailable, client.Bind(world.Binding(Alice)).Code);
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_registry_that_never_answers_refuses_the_binding_after_the_limit()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Registry.Script.HoldBefore("BindAsync");
        client.SendBind(1, world.Binding(Bob));
        world.Advance(4.9);
        client.ExpectNothing();
        world.Advance(0.2);
        await world.Until(() => world.Room.Context.Unregistrar.IsIdle && world.Registry.UnbindCount == 1, "it is undone");
        Assert.Equal(ReasonCode.BindUnavailable, client.ExpectBind().Code);
        Assert.Equal(ReasonCode.Ok, client.Bind(world.Binding(Bob)).Code);
    }

    [Fact]
    public async Task Unbinding_tells_the_registry_and_stops_the_frames_of_that_binding()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        Assert.Equal(0, UnbindMessage.Read(client.Unbind(0).Expect(Opcode.UnbindOk).Body).AppIndex);
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Alice, "x"));
        world.Push(Bob, "y");
        client.ExpectPush("y");
        await world.Until(() => world.Registry.Of(Alice) is null, "the entry is removed");
        client.Unbind(0).Expect(Opcode.UnbindOk);
        client.Unbind(7);
        client.ExpectError(ReasonCode.UnknownTarget);
    }

    [Fact]
    public async Task A_connection_whose_last_binding_was_unbound_stays_and_is_not_kept_after_its_end()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Unbind(0).Expect(Opcode.UnbindOk);
        client.ExpectAlive();
        client.Drop();
        Assert.Equal(0, world.Room.Context.Metrics.Detached);
        var next = world.Connect();
        Assert.Equal(ReasonCode.ResumeUnknown, next.Resume(client.ResumeTicket).Code);
    }

    [Fact]
    public async Task A_socket_lost_during_a_bind_keeps_the_finished_bindings_and_undoes_the_other()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var gate = world.Mailboxes.Script.HoldBefore("OpenAsync");
        client.SendBind(1, world.Binding(Bob));
        client.Drop();
        Assert.Equal(1, world.Room.Sessions);
        gate.Release();
        await world.Until(() => world.Registry.Of(Bob) is null, "the half binding is undone");
        Assert.NotNull(world.Registry.Of(Alice));
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "later"));
    }

    [Fact]
    public async Task A_late_close_of_an_old_connection_does_not_touch_the_newer_session()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        var next = world.LogIn(1, Alice);
        old.Drop();
        world.Advance(31, 1);
        await world.Unregistered();
        Assert.Equal(next.ConnectionId, world.Registry.Of(Alice)!.Connection);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "x"));
        next.ExpectPush("x");
    }
}
