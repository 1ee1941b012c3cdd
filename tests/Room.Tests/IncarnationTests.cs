using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using PushSystem.TestSupport;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class IncarnationTests
{
    [Fact]
    public async Task A_fenced_room_takes_no_delivery_and_no_login_and_keeps_its_clients()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(0, Alice);
        var lost = world.LogIn(0, Bob);
        lost.Drop();
        world.Push(Alice, "1");
        client.ExpectPush("1");
        world.Room.Fence();
        world.Room.Fence();
        Assert.True(world.Room.IsFenced);
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Alice, "2"));
        Assert.False(world.Fanout(world.Broadcasts.Append("a", "news")).Known);
        client.ExpectAlive();
        client.Ack(1);
        client.ExpectNothing();
        Assert.Equal(ReasonCode.BindUnavailable, client.Bind(world.Binding(new UserKey("b", "x"))).Code);
        var refused = world.Connect();
        refused.SendPreface().SendLogin(world.Binding(new UserKey("b", "y")));
        Assert.Equal((ReconnectAdvice.Window, 30_000), (refused.ExpectError(ReasonCode.Busy) is var error ? error.Advice : default, error.WindowMilliseconds));
        var back = world.Connect(1);
        Assert.Equal(ReasonCode.Ok, back.Resume(lost.ResumeTicket, ResumeTests.Position(0)).Code);
        world.Advance(0.3);
        Assert.Equal(1, world.Mailboxes.Of(Alice).Acked);
        Assert.Equal(2, world.Room.Sessions);
    }

    [Fact]
    public async Task A_lost_lease_is_a_fence_before_anybody_has_told_the_room()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.LostLease = true;
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Alice, "1"));
        world.Connect().SendPreface().SendLogin(world.Binding(Bob)).ExpectError(ReasonCode.Busy);
        (world.LostLease, world.Lease) = (false, 11);
        Assert.Equal(DeliverOutcome.NotHere, world.Deliver(world.Mailboxes.Append(Alice, "2")));
        client.ExpectNothing();
        await Renew(world, 11);
        Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, "3"));
        Assert.Equal([1, 2, 3], client.TakePushes());
    }

    [Fact]
    public async Task A_thousand_connections_live_through_a_fence_and_a_new_incarnation()
    {
        await using var world = new RoomWorld(shards: 4);
        var users = Enumerable.Range(0, 1_000).Select(i => new UserKey(i % 2 == 0 ? "a" : "b", $"u{i}")).ToArray();
        var clients = users.Select(user => world.LogIn(user)).ToArray();
        foreach (var user in users)
            world.Push(user, "before");
        world.Room.Fence();
        for (var i = 0; i < users.Length; i++)
        {
            Assert.Equal(DeliverOutcome.NotHere, world.Push(users[i], "meanwhile"));
            // Whoever is told NotHere takes the entry back.
            if (i % 3 == 0)
                await world.Registry.UnbindAsync([world.Registry.Of(users[i])!], CancellationToken.None);
        }
        await Renew(world, 11);
        foreach (var user in users)
            Assert.Equal(DeliverOutcome.Taken, world.Deliver(world.Mailboxes.Append(user, "after", generation: world.Registry.Of(user)!.Generation)));
        world.Advance(6);
        foreach (var client in clients)
        {
            Assert.Equal([1, 2, 3], client.TakePushes());
            Assert.False(client.Wire.IsClosed);
        }
        Assert.Equal((1_000, 1_000, 1_000), (world.Room.Connections, world.Room.Sessions, world.Registry.Count));
        ExpectRegistered(world);
        Assert.All(world.Registry.Entries, entry => Assert.Equal(("room-1", 11, "device"), (entry.Room, entry.Incarnation, entry.Device)));
    }

    [Fact]
    public async Task What_was_stored_while_the_entry_did_not_count_is_delivered_by_the_first_look()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Room.Fence();
        world.Mailboxes.Append(Alice, "1");
        await Renew(world, 11);
        world.Advance(0.5);
        client.ExpectPush("1");
    }

    [Fact]
    public async Task A_session_that_was_taken_over_elsewhere_meanwhile_is_ended_as_replaced()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        world.Room.Fence();
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 1 });
        await Renew(world, 11);
        var goAway = client.ExpectGoAway();
        Assert.Equal((ReasonCode.Replaced, 0), (goAway.Reason, goAway.AppIndex));
        await world.Unregistered();
        Assert.Equal("other", world.Registry.Of(Alice)!.Room);
        Assert.Equal(11, world.Registry.Of(Bob)!.Incarnation);
        Assert.Equal(1, world.Room.Sessions);
        Assert.Empty(world.Rooms.Kicks);
    }

    [Fact]
    public async Task A_lost_connection_in_its_grace_period_that_was_taken_over_elsewhere_is_not_resumed()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        client.Drop();
        world.Room.Fence();
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 1 });
        await Renew(world, 11);
        Assert.Equal(ReasonCode.ResumeUnknown, world.Connect().Resume(client.ResumeTicket).Code);
        Assert.Equal("other", world.Registry.Of(Alice)!.Room);
    }

    [Fact]
    public async Task Calls_for_another_incarnation_reach_nobody()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var old = world.Room.ForIncarnation(10);
        Assert.Same(old, world.Room.ForIncarnation(10));
        Assert.Equal(DeliverOutcome.Taken, world.Await(old.DeliverAsync([world.Mailboxes.Append(Alice, "1")], default).AsTask())[0]);
        client.ExpectPush("1");
        await Renew(world, 11);
        var news = world.Broadcasts.Append("a", "news");
        foreach (var stale in new[] { old, world.Room.ForIncarnation(10), world.Room.ForIncarnation(12) })
        {
            Assert.Equal([DeliverOutcome.NotHere], world.Await(stale.DeliverAsync([DeliveryTests.Transient("t")], default).AsTask()));
            Assert.Equal([false], world.Await(stale.KickAsync([new KickItem(Alice, 0, ReasonCode.Kicked)], default).AsTask()));
            Assert.False((await stale.FanoutAsync(news, default)).Known);
        }
        client.ExpectNothing();
        var now = world.Room.ForIncarnation(11);
        Assert.Equal([DeliverOutcome.Taken], world.Await(now.DeliverAsync([DeliveryTests.Transient("t")], default).AsTask()));
        client.ExpectPush("t");
        Assert.Equal([true], world.Await(now.KickAsync([new KickItem(Alice, 0, ReasonCode.Kicked)], default).AsTask()));
    }

    [Fact]
    public async Task A_delivery_that_is_under_way_when_the_incarnation_changes_reaches_nobody()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var delivery = world.Room.DeliverAsync([DeliveryTests.Transient("late")], CancellationToken.None).AsTask();
        world.Room.Fence();
        var renewal = world.Room.RenewAsync(11, CancellationToken.None);
        Assert.Equal([DeliverOutcome.NotHere], world.Await(delivery));
        await Done(world, renewal);
        client.ExpectNothing();
    }

    [Fact]
    public async Task A_lower_incarnation_is_late_and_the_one_in_force_ends_a_fence()
    {
        await using var world = new RoomWorld();
        world.LogIn(Alice);
        await world.Room.RenewAsync(9, CancellationToken.None);
        await world.Room.RenewAsync(10, CancellationToken.None);
        Assert.Equal(10, world.Room.Identity.Incarnation);
        Assert.Equal(1, world.Registry.Script.Count("BindAsync"));
        world.Room.Fence();
        await world.Room.RenewAsync(9, CancellationToken.None);
        Assert.True(world.Room.IsFenced);
        await Renew(world, 10);
        Assert.False(world.Room.IsFenced);
        ExpectRegistered(world);
    }

    [Fact]
    public async Task A_later_incarnation_during_a_renewal_ends_in_the_later_one()
    {
        await using var world = new RoomWorld();
        world.LogIn(0, Alice);
        world.LogIn(1, Bob);
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var first = world.Room.RenewAsync(11, CancellationToken.None);
        world.Advance(0.2);
        await world.Until(() => gate.Arrived, "the first renewal asks");
        world.Room.Fence();
        var second = world.Room.RenewAsync(12, CancellationToken.None);
        gate.Release();
        await Done(world, first);
        await Done(world, second);
        ExpectRegistered(world);
        Assert.All(world.Registry.Entries, entry => Assert.Equal(12, entry.Incarnation));
    }

    [Theory]
    [InlineData("BindAsync")]
    [InlineData("OpenAsync")]
    public async Task A_binding_that_was_under_way_when_the_incarnation_changed_is_bound_again(string call)
    {
        await using var world = new RoomWorld();
        var gate = (call == "BindAsync" ? world.Registry.Script : world.Mailboxes.Script).HoldAfter(call);
        var client = world.Connect();
        client.SendPreface().SendLogin(world.Binding(Alice));
        world.Room.Fence();
        await Renew(world, 11);
        gate.Release();
        Assert.Equal(ReasonCode.Ok, client.ExpectLogin().Results[0].Code);
        world.Advance(0.3);
        await world.Until(() => world.Registry.Of(Alice)!.Incarnation == 11, "bound again");
        ExpectRegistered(world);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_client_that_lost_its_socket_before_resumes_after_the_change(int shard)
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(0, Alice);
        client.Drop();
        world.Room.Fence();
        await Renew(world, 11);
        var next = world.Connect(shard);
        Assert.Equal(ReasonCode.Ok, next.Resume(client.ResumeTicket, ResumeTests.Position(0)).Code);
        Assert.Equal(DeliverOutcome.Taken, world.Deliver(world.Mailboxes.Append(Alice, "1", generation: world.Registry.Of(Alice)!.Generation)));
        next.ExpectPush("1");
        ExpectRegistered(world);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(0, false)]
    [InlineData(1, false)]
    public async Task A_session_that_moves_while_it_is_bound_again_gets_its_new_generation(int shard, bool before)
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(0, Alice);
        world.Room.Fence();
        var gate = before ? world.Registry.Script.HoldBefore("BindAsync") : world.Registry.Script.HoldAfter("BindAsync");
        var renewal = world.Room.RenewAsync(11, CancellationToken.None);
        world.Advance(0.2);
        await world.Until(() => gate.Arrived, "it is being bound again");
        client.Drop();
        var next = world.Connect(shard);
        Assert.Equal(ReasonCode.Ok, next.Resume(client.ResumeTicket, ResumeTests.Position(0)).Code);
        gate.Release();
        await Done(world, renewal);
        await world.Unregistered();
        ExpectRegistered(world);
        Assert.Equal(DeliverOutcome.Taken, world.Deliver(world.Mailboxes.Append(Alice, "1", generation: world.Registry.Of(Alice)!.Generation)));
        next.ExpectPush("1");
    }

    [Fact]
    public async Task A_session_that_ends_while_it_is_bound_again_leaves_no_entry()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        var gate = world.Registry.Script.HoldBefore("BindAsync");
        var renewal = world.Room.RenewAsync(11, CancellationToken.None);
        world.Advance(0.2);
        await world.Until(() => gate.Arrived, "it is being bound again");
        client.Unbind(0).Expect(Opcode.UnbindOk);
        await world.Unregistered();
        gate.Release();
        await Done(world, renewal);
        await world.Unregistered();
        Assert.Null(world.Registry.Of(Alice));
        ExpectRegistered(world);
    }

    [Fact]
    public async Task A_kick_or_delivery_by_a_generation_whose_answer_is_under_way_means_the_session_here()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var renewal = world.Room.RenewAsync(11, CancellationToken.None);
        world.Advance(0.2);
        await world.Until(() => gate.Arrived, "they are bound again");
        Assert.Equal(DeliverOutcome.Taken, world.Deliver(world.Mailboxes.Append(Alice, "1", generation: world.Registry.Of(Alice)!.Generation)));
        client.ExpectPush("1");
        Assert.True(world.Kick(Bob, world.Registry.Of(Bob)!.Generation));
        gate.Release();
        await Done(world, renewal);
        Assert.Equal(1, client.ExpectGoAway().AppIndex);
        await world.Unregistered();
        Assert.Null(world.Registry.Of(Bob));
        ExpectRegistered(world);
    }

    [Fact]
    public async Task An_answer_that_was_lost_does_not_make_a_session_take_itself_for_replaced()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var gate = world.Registry.Script.HoldAfter("BindAsync");
        var renewal = world.Room.RenewAsync(11, CancellationToken.None);
        world.Advance(0.2);
        await world.Until(() => gate.Arrived, "it was bound");
        gate.Fail();
        world.Registry.Script.Fail("LookupAsync");
        await Done(world, renewal);
        client.ExpectAlive();
        ExpectRegistered(world);
    }

    [Fact]
    public async Task A_registry_that_hangs_or_fails_is_asked_again_until_it_answers()
    {
        await using var world = new RoomWorld(shards: 1);
        var client = world.LogIn(Alice);
        world.Registry.Script.HoldBefore("BindAsync");
        world.Registry.Script.Fail("BindAsync", 3);
        var renewal = world.Room.RenewAsync(11, CancellationToken.None);
        await Done(world, renewal);
        Assert.Equal(6, world.Registry.Script.Count("BindAsync"));
        client.ExpectAlive();
        ExpectRegistered(world);
    }

    [Fact]
    public async Task An_unexpected_failure_of_the_registry_does_not_end_the_renewal()
    {
        await using var world = new RoomWorld { ErrorsExpected = true };
        world.LogIn(Alice);
        world.Registry.Script.Fail("BindAsync", 1, new InvalidOperationException("bug"));
        await Renew(world, 11);
        ExpectRegistered(world);
        Assert.Contains(world.Loggers.Errors, error => error.Contains("bug"));
    }

    [Fact]
    public async Task Whoever_does_not_want_to_wait_for_a_renewal_does_not_stop_it()
    {
        await using var world = new RoomWorld();
        world.LogIn(Alice);
        using var impatient = new CancellationTokenSource();
        var renewal = world.Room.RenewAsync(11, impatient.Token);
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => renewal);
        world.Advance(0.5);
        await world.Until(() => world.Registry.Of(Alice)!.Incarnation == 11, "bound again");
    }

    [Fact]
    public async Task A_fan_out_goes_on_under_the_new_incarnation_and_reaches_nobody_twice()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(0, Alice);
        var other = world.LogIn(1, Bob);
        var news = world.Broadcasts.Append("a", "news", rate: 1);
        world.Fanout(news);
        world.Room.Fence();
        await Renew(world, 11);
        Assert.True((await world.Room.ForIncarnation(11).FanoutAsync(news, default)).Known);
        world.Advance(5);
        client.ExpectPush("news");
        other.ExpectPush("news");
        client.ExpectNothing();
        other.ExpectNothing();
    }

    internal static Task Renew(RoomWorld world, long incarnation) =>
        Done(world, world.Room.RenewAsync(incarnation, CancellationToken.None));

    internal static async Task Done(RoomWorld world, Task renewal)
    {
        await Waiting.Until(() =>
        {
            world.Advance(0.1);
            return renewal.IsCompleted;
        }, "every session is bound again");
        await renewal;
    }

    /// <summary>The registry holds exactly the room's sessions, as the room knows them.</summary>
    internal static void ExpectRegistered(RoomWorld world)
    {
        var room = world.Room.Context;
        var sessions = 0;
        foreach (var shard in room.Shards)
        {
            for (var slot = 0; slot < shard.Sessions.HighWater; slot++)
            {
                if (!shard.Sessions.IsUsed(slot))
                    continue;
                sessions++;
                ref var session = ref shard.Sessions[slot];
                var entry = world.Registry.Of(session.Key);
                Assert.True(entry is not null, $"{session.Key} is not registered");
                Assert.Equal(
                    ("room-1", room.Identity.Incarnation, shard.Clients[session.Client].ConnectionId, session.RegistryGeneration),
                    (entry.Room, entry.Incarnation, entry.Connection, entry.Generation));
            }
        }
        Assert.Equal(sessions, world.Registry.Entries.Count(entry => entry.Room == "room-1" && entry.Incarnation == room.Identity.Incarnation));
    }
}
