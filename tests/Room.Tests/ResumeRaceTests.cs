using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

/// <summary>
/// A client moves from shard 0 to shard 1 in posts; these tests stop it between them, by running only one shard's turns at a
/// time through actions posted from a shard's own turn.
/// </summary>
public class ResumeRaceTests
{
    [Fact]
    public async Task A_delivery_that_is_under_way_while_its_session_moves_finds_it()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var next = world.Connect(1).SendPreface();
        // All of it is posted before any turn runs: the delivery reaches the old shard before, during and after the move.
        var deliveries = new List<Task<IReadOnlyList<DeliverOutcome>>>();
        void Deliver(string text) => deliveries.Add(world.Room.DeliverAsync([world.Mailboxes.Append(Alice, text)], CancellationToken.None).AsTask());
        Deliver("1");
        SendWithoutRunning(next, new ResumeMessage(old.ResumeTicket, 0, [ResumeTests.Position(0)]));
        Deliver("2");
        world.Room.Context.Shards[0].Post(_ => Deliver("3"), 0);
        world.Room.Context.Shards[1].Post(_ => Deliver("4"), 0);
        world.Room.Context.Shards[0].Post(_ => world.Room.Context.Shards[0].Post(_ => Deliver("5"), 0), 0);
        Assert.Equal(ReasonCode.Ok, next.ExpectResume().Code);
        foreach (var delivery in deliveries)
            Assert.Equal(DeliverOutcome.Taken, world.Await(delivery)[0]);
        Assert.Equal([1, 2, 3, 4, 5], next.TakePushes());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task At_no_step_of_a_move_is_a_session_denied(int step)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var next = world.Connect(1).SendPreface();
        Task<IReadOnlyList<DeliverOutcome>>? delivery = null;
        AtStep(world, step, () => delivery = world.Room.DeliverAsync([world.Mailboxes.Append(Alice, "x")], CancellationToken.None).AsTask());
        SendWithoutRunning(next, new ResumeMessage(old.ResumeTicket, 0, [ResumeTests.Position(0)]));
        Assert.Equal(ReasonCode.Ok, next.ExpectResume().Code);
        Assert.NotNull(delivery);
        Assert.Equal(DeliverOutcome.Taken, world.Await(delivery)[0]);
        next.ExpectPush("x");
        next.ExpectNothing();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_kick_at_any_step_of_a_move_ends_the_session(int step)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var next = world.Connect(1).SendPreface();
        Task<IReadOnlyList<bool>>? kick = null;
        AtStep(world, step, () => kick = world.Room.KickAsync([new KickItem(Alice, 0, ReasonCode.Kicked)], CancellationToken.None).AsTask());
        SendWithoutRunning(next, new ResumeMessage(old.ResumeTicket, 0, [ResumeTests.Position(0)]));
        world.Run();
        Assert.True(world.Await(kick!)[0]);
        next.ExpectResume();
        Assert.Equal(ReasonCode.Kicked, next.ExpectGoAway().Reason);
        next.ExpectClosed();
        await world.Until(() => world.Registry.Count == 0, "unbound");
        Assert.Equal(0, world.Room.Sessions);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_newer_login_at_any_step_of_a_move_wins(int step)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var newest = world.Connect(0).SendPreface().SendLogin(world.Binding(Alice));
        var next = world.Connect(1).SendPreface();
        AtStep(world, step, gate.Release);
        SendWithoutRunning(next, new ResumeMessage(old.ResumeTicket, 0, [ResumeTests.Position(0)]));
        world.Run();
        Assert.Equal(ReasonCode.Ok, newest.ExpectLogin().Results[0].Code);
        var answer = next.ExpectResume();
        if (answer.Code == ReasonCode.Ok)
        {
            Assert.Equal(ReasonCode.Replaced, next.ExpectGoAway().Reason);
            next.ExpectClosed();
        }
        world.Push(Alice, "x");
        newest.ExpectPush("x");
        Assert.Equal(1, world.Room.Sessions);
        Assert.Equal(newest.ConnectionId, world.Registry.Of(Alice)!.Connection);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_connection_that_dies_at_any_step_of_a_move_leaves_the_client_resumable(int step)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.Push(Alice, "1");
        old.Drop();
        var dying = world.Connect(1).SendPreface();
        AtStep(world, step, dying.Wire.Reset);
        SendWithoutRunning(dying, new ResumeMessage(old.ResumeTicket, 0, [ResumeTests.Position(0)]));
        world.Run();
        Assert.Equal(1, world.Room.Context.Metrics.Detached);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "2"));
        var next = world.Connect(0);
        Assert.Equal(ReasonCode.Ok, next.Resume(old.ResumeTicket, ResumeTests.Position(0)).Code);
        Assert.Equal([1, 2], next.TakePushes());
        Assert.Equal(1, world.Room.Sessions);
        Assert.Equal(0, world.Registry.UnbindCount);
    }

    [Fact]
    public async Task A_delivery_that_reaches_the_old_shard_after_the_move_follows_the_session()
    {
        await using var world = new RoomWorld();
        var index = world.Room.Context.Index;
        var old = world.LogIn(0, Alice);
        old.Drop();
        Assert.True(index.TryFind(Alice, out var before, out _));
        var next = world.Connect(1);
        next.Resume(old.ResumeTicket, ResumeTests.Position(0));
        Assert.True(index.TryFind(Alice, out var after, out _));
        // As if the caller had looked the session up before the move and posted after it.
        index.Replace(Alice, after, before);
        var delivery = world.Room.DeliverAsync([world.Mailboxes.Append(Alice, "x")], CancellationToken.None).AsTask();
        var kick = world.Room.KickAsync([new KickItem(Alice, 0, ReasonCode.Kicked), new KickItem(Bob, 0, ReasonCode.Kicked)], CancellationToken.None).AsTask();
        index.Replace(Alice, before, after);
        Assert.Equal(DeliverOutcome.Taken, world.Await(delivery)[0]);
        Assert.Equal([true, false], world.Await(kick));
        next.ExpectPush("x");
        Assert.Equal(ReasonCode.Kicked, next.ExpectGoAway().Reason);
    }

    [Fact]
    public async Task Two_resumes_of_one_client_at_once_leave_one_session()
    {
        await using var world = new RoomWorld(shards: 3);
        var old = world.LogIn(0, Alice);
        old.Drop();
        var one = world.Connect(1).SendPreface();
        var two = world.Connect(2).SendPreface();
        SendWithoutRunning(one, new ResumeMessage(old.ResumeTicket, 0, [ResumeTests.Position(0)]));
        SendWithoutRunning(two, new ResumeMessage(old.ResumeTicket, 0, [ResumeTests.Position(0)]));
        var answers = new[] { one.ExpectResume().Code, two.ExpectResume().Code };
        Assert.Contains(ReasonCode.Ok, answers);
        Assert.Equal(1, world.Room.Sessions);
        world.Push(Alice, "x");
        Assert.Equal(1, one.TakeAll().Count + two.TakeAll().Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_resume_does_not_wait_for_an_unbind_and_is_not_undone_by_it(int shard)
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice, Bob);
        var gate = world.Registry.Script.HoldBefore("UnbindAsync");
        old.Unbind(1).Expect(Opcode.UnbindOk);
        await world.Until(() => gate.Arrived, "the unbind is under way");
        old.Drop();
        var next = world.Connect(shard);
        Assert.Equal(ReasonCode.Ok, next.Resume(old.ResumeTicket, ResumeTests.Position(0)).Code);
        Assert.Equal(ReasonCode.Ok, next.Bind(world.Binding(Bob)).Code);
        gate.Release();
        await world.Unregistered();
        Assert.Equal(next.ConnectionId, world.Registry.Of(Alice)!.Connection);
        Assert.Equal(next.ConnectionId, world.Registry.Of(Bob)!.Connection);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Bob, "x"));
        next.ExpectPush("x");
    }

    [Fact]
    public async Task A_resume_is_refused_while_a_binding_of_unknown_outcome_is_being_undone()
    {
        // Otherwise the removal, which knows no generation, could hit what is bound again under the same connection id.
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        var lost = world.Registry.Script.HoldAfter("BindAsync");
        old.SendBind(1, world.Binding(Bob));
        var gate = world.Registry.Script.HoldBefore("UnbindAsync");
        lost.Fail();
        await world.Until(() => gate.Arrived, "the undoing is under way");
        old.Drop();
        var next = world.Connect(1);
        Assert.Equal(ReasonCode.ResumeUnknown, next.Resume(old.ResumeTicket).Code);
        next.SendLogin(world.Binding(Alice), world.Binding(Bob));
        Assert.All(next.ExpectLogin().Results, result => Assert.Equal(ReasonCode.Ok, result.Code));
        gate.Release();
        await world.Unregistered();
        Assert.Equal(next.ConnectionId, world.Registry.Of(Alice)!.Connection);
        Assert.Equal(next.ConnectionId, world.Registry.Of(Bob)!.Connection);
    }

    [Fact]
    public async Task A_read_that_was_under_way_on_the_old_socket_is_forgotten()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.Mailboxes.Append(Alice, "1");
        var gate = world.Mailboxes.Script.HoldAfter("ReadAsync");
        world.Push(Alice, "2");
        old.Drop();
        var next = world.Connect(0);
        next.Resume(old.ResumeTicket, ResumeTests.Position(0));
        Assert.Equal([1, 2], next.TakePushes());
        gate.Release();
        next.ExpectNothing();
        next.Ack(2);
        next.ExpectAlive();
    }

    [Fact]
    public async Task The_answer_of_an_old_read_is_not_taken_for_that_of_a_newer_one()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        world.Mailboxes.Append(Alice, "1");
        var oldRead = world.Mailboxes.Script.HoldAfter("ReadAsync");
        world.Push(Alice, "2");
        old.Drop();
        var newRead = world.Mailboxes.Script.HoldAfter("ReadAsync");
        var next = world.Connect(0);
        next.Resume(old.ResumeTicket, ResumeTests.Position(0));
        oldRead.Release();
        next.ExpectNothing();
        newRead.Release();
        Assert.Equal([1, 2], next.TakePushes());
    }

    [Fact]
    public async Task A_slot_that_was_reused_is_never_reached_by_an_old_reference()
    {
        await using var world = new RoomWorld(shards: 1);
        var old = world.LogIn(Alice);
        var shard = world.Room.Context.Shards[0];
        Assert.True(world.Room.Context.Index.TryFind(Alice, out var reference, out _));
        old.Unbind(0).Expect(Opcode.UnbindOk);
        world.LogIn(Bob);
        Assert.True(world.Room.Context.Index.TryFind(Bob, out var reused, out _));
        Assert.Equal(reference.Slot, reused.Slot);
        Assert.False(shard.Sessions.IsLive(reference.Slot, reference.Generation));
    }

    // The move goes Claim (shard 0), Adopt (1), Release (0), Complete (1): a chain of posts started with the RESUME arrives on the
    // shards in step with it.
    private static void AtStep(RoomWorld world, int step, Action action)
    {
        var shards = world.Room.Context.Shards;
        void Hop(int left)
        {
            if (left == 0)
                action();
            else
                shards[(step - left + 1) % 2].Post(rest => Hop(rest), left - 1);
        }
        if (step == 0)
            action();
        else
            shards[1].Post(_ => Hop(step), 0);
    }

    private static void SendWithoutRunning(TestClient client, ResumeMessage message)
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        message.Write(output);
        client.Wire.Send(output.WrittenSpan);
    }
}
