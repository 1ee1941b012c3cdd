using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class BroadcastTests
{
    [Fact]
    public async Task A_broadcast_reaches_every_session_of_its_app_and_no_other()
    {
        await using var world = new RoomWorld(shards: 3);
        var mine = Enumerable.Range(0, 9).Select(i => world.LogIn(i % 3, new UserKey("a", $"u{i}"))).ToList();
        var other = world.LogIn(new UserKey("b", "x"));
        var command = world.Broadcasts.Append("a", "news");
        Assert.True(world.Fanout(command).Known);
        Assert.Equal(new FanoutProgress(true, true, 9, 9), world.Query(command));
        Assert.All(mine, client => Assert.Equal((StreamKind.Broadcast, 1L), client.ExpectPush("news") is { } push ? (push.Stream, push.Seq) : default));
        other.ExpectNothing();
        Assert.Empty(world.Broadcasts.Reads);
    }

    [Fact]
    public async Task Sessions_with_different_indexes_get_their_own_frames()
    {
        await using var world = new RoomWorld(shards: 1);
        var first = world.LogIn(new UserKey("b", "x"), Alice);
        var second = world.LogIn(Bob);
        world.Fanout(world.Broadcasts.Append("a", "news"));
        Assert.Equal(1, first.ExpectPush("news").AppIndex);
        Assert.Equal(0, second.ExpectPush("news").AppIndex);
    }

    [Fact]
    public async Task Several_users_of_one_app_on_one_connection_each_get_it()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice, Bob);
        var command = world.Broadcasts.Append("a", "news");
        world.Fanout(command);
        Assert.Equal([0, 1], client.TakeAll().Select(frame => PushFrame.Read(frame.Body).AppIndex).Order());
        Assert.Equal(2, world.Query(command).Sent);
    }

    [Fact]
    public async Task Broadcast_acks_are_told_to_the_store_as_such()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Fanout(world.Broadcasts.Append("a", "news"));
        client.ExpectPush("news");
        client.Ack(1, stream: StreamKind.Broadcast);
        world.Advance(0.3);
        Assert.Equal(new AckEntry(Alice, StreamKind.Broadcast, 3, 1), Assert.Single(world.Mailboxes.Acks));
    }

    [Fact]
    public async Task Starting_a_known_fan_out_again_sends_nothing_twice()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var command = world.Broadcasts.Append("a", "news");
        world.Fanout(command);
        Assert.Equal(new FanoutProgress(true, true, 1, 1), world.Fanout(command));
        client.ExpectPush("news");
        client.ExpectNothing();
    }

    [Fact]
    public async Task An_unknown_fan_out_is_answered_so()
    {
        await using var world = new RoomWorld();
        var command = world.Broadcasts.Append("a", "news");
        Assert.False(world.Query(command).Known);
        Assert.False(world.Fanout(command with { Action = FanoutAction.Pause }).Known);
        Assert.False(world.Fanout(command with { Action = FanoutAction.Cancel }).Known);
    }

    [Fact]
    public async Task A_fan_out_without_sessions_is_finished()
    {
        await using var world = new RoomWorld();
        var command = world.Broadcasts.Append("a", "news", rate: 5);
        world.Fanout(command);
        Assert.Equal(new FanoutProgress(true, true, 0, 0), world.Query(command));
    }

    [Fact]
    public async Task A_session_that_binds_later_catches_up_from_the_log()
    {
        await using var world = new RoomWorld();
        var early = world.LogIn(Alice);
        early.Unbind(0).Expect(Opcode.UnbindOk);
        var command = world.Broadcasts.Append("a", "one");
        world.Broadcasts.Append("a", "two");
        world.Fanout(command);
        await world.Unregistered();
        var client = world.LogIn(Alice);
        client.ExpectPush("one");
        client.ExpectPush("two");
        Assert.Equal(new FanoutProgress(true, true, 1, 1), world.Query(command));
    }

    [Fact]
    public async Task A_fan_out_that_begins_while_a_session_is_being_opened_is_not_missed()
    {
        await using var world = new RoomWorld();
        var gate = world.Mailboxes.Script.HoldAfter("OpenAsync");
        var client = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        world.Fanout(world.Broadcasts.Append("a", "news"));
        gate.Release();
        client.ExpectLogin();
        client.ExpectPush("news");
    }

    [Fact]
    public async Task A_session_that_is_behind_gets_everything_in_order()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Broadcasts.Append("a", "one");
        var command = world.Broadcasts.Append("a", "two");
        world.Fanout(command);
        client.ExpectPush("one");
        client.ExpectPush("two");
        Assert.Equal(1, world.Query(command).Sent);
    }

    [Fact]
    public async Task A_session_in_its_grace_period_gets_the_broadcast_when_it_comes_back()
    {
        await using var world = new RoomWorld();
        var old = world.LogIn(0, Alice);
        old.Drop();
        var command = world.Broadcasts.Append("a", "news");
        world.Fanout(command);
        Assert.Equal(new FanoutProgress(true, true, 1, 0), world.Query(command));
        var next = world.Connect(0);
        next.Resume(old.ResumeTicket, ResumeTests.Position(0));
        next.ExpectPush("news");
        Assert.Equal(1, world.Query(command).Sent);
    }

    [Fact]
    public async Task A_session_that_moves_between_shards_during_a_fan_out_gets_it_once()
    {
        await using var world = new RoomWorld();
        var clients = Enumerable.Range(0, 10).Select(i => world.LogIn(0, new UserKey("a", $"u{i}"))).ToList();
        var command = world.Broadcasts.Append("a", "news", rate: 10);
        world.Fanout(command);
        world.Advance(0.3);
        var moved = new List<TestClient>();
        foreach (var client in clients)
        {
            client.Drop();
            var next = world.Connect(1);
            var seen = client.TakePushes().Count;
            next.Resume(client.ResumeTicket, ResumeTests.Position(0, broadcast: seen));
            moved.Add(next);
            Assert.Equal(1, seen + next.TakePushes().Count);
        }
        world.Advance(3);
        Assert.All(moved, client => client.ExpectNothing());
        Assert.Equal(new FanoutProgress(true, true, 10, 10), world.Query(command));
    }

    [Fact]
    public async Task The_rate_holds_over_all_shards()
    {
        await using var world = new RoomWorld(shards: 4);
        var clients = Enumerable.Range(0, 40).Select(i => world.LogIn(i % 4, new UserKey("a", $"u{i}"))).ToList();
        var command = world.Broadcasts.Append("a", "news", rate: 10);
        world.Fanout(command);
        Assert.InRange(world.Query(command).Sent, 0, 3);
        world.Advance(2);
        Assert.InRange(world.Query(command).Sent, 18, 24);
        Assert.False(world.Query(command).Finished);
        world.Advance(2.5);
        Assert.Equal(new FanoutProgress(true, true, 40, 40), world.Query(command));
        Assert.All(clients, client => Assert.Single(client.TakePushes()));
    }

    [Fact]
    public async Task The_rate_can_be_changed_while_it_runs()
    {
        await using var world = new RoomWorld(shards: 1);
        for (var i = 0; i < 30; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        var command = world.Broadcasts.Append("a", "news", rate: 1);
        world.Fanout(command);
        world.Advance(2);
        Assert.InRange(world.Query(command).Sent, 1, 4);
        world.Fanout(command with { RatePerSecond = 0 });
        world.Advance(0.2);
        Assert.Equal(30, world.Query(command).Sent);
    }

    [Fact]
    public async Task A_paused_fan_out_sends_to_nobody_and_goes_on_afterwards()
    {
        await using var world = new RoomWorld(shards: 1);
        var clients = Enumerable.Range(0, 20).Select(i => world.LogIn(new UserKey("a", $"u{i}"))).ToList();
        var command = world.Broadcasts.Append("a", "news", rate: 10);
        world.Fanout(command);
        world.Advance(0.5);
        var sent = world.Fanout(command with { Action = FanoutAction.Pause }).Sent;
        Assert.InRange(sent, 1, 10);
        world.Advance(5);
        Assert.Equal(sent, world.Query(command).Sent);
        Assert.False(world.Query(command).Finished);
        world.Fanout(command);
        world.Advance(3);
        Assert.Equal(new FanoutProgress(true, true, 20, 20), world.Query(command));
        Assert.All(clients, client => Assert.Single(client.TakePushes()));
    }

    [Fact]
    public async Task A_session_that_comes_during_a_pause_is_served_when_it_goes_on()
    {
        await using var world = new RoomWorld(shards: 1);
        for (var i = 0; i < 10; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        world.Broadcasts.Open(Alice, default);
        var command = world.Broadcasts.Append("a", "news", rate: 5, release: false);
        world.Fanout(command);
        world.Fanout(command with { Action = FanoutAction.Pause });
        var late = world.LogIn(Alice);
        late.ExpectNothing();
        world.Broadcasts.Of("a").Released = 1;
        world.Fanout(command);
        world.Advance(4);
        late.ExpectPush("news");
        Assert.Equal(new FanoutProgress(true, true, 11, 11), world.Query(command));
    }

    [Fact]
    public async Task A_cancelled_fan_out_ends_at_once_and_its_gap_is_told_with_the_next_one()
    {
        await using var world = new RoomWorld(shards: 1);
        var clients = Enumerable.Range(0, 10).Select(i => world.LogIn(new UserKey("a", $"u{i}"))).ToList();
        var command = world.Broadcasts.Append("a", "regretted", rate: 10);
        world.Fanout(command);
        world.Advance(0.3);
        world.Broadcasts.Cancel("a", 1);
        var progress = world.Fanout(command with { Action = FanoutAction.Cancel });
        Assert.True(progress.Finished);
        Assert.InRange(progress.Sent, 1, 9);
        world.Advance(2);
        Assert.Equal(progress.Sent, world.Query(command).Sent);
        world.Fanout(world.Broadcasts.Append("a", "next"));
        var resets = 0;
        foreach (var client in clients)
        {
            var frames = client.TakeAll();
            if (frames[0].Opcode == Opcode.Reset)
            {
                resets++;
                Assert.Equal(new ResetMessage(0, StreamKind.Broadcast, 3, 2, ResetReason.Cancelled), ResetMessage.Read(frames[0].Body));
            }
            Assert.Equal("next", PushFrame.Read(frames[^1].Body).Text);
        }
        Assert.Equal(10 - progress.Sent, resets);
        world.Fanout(command);
        Assert.Equal(progress.Sent, world.Query(command).Sent);
    }

    [Fact]
    public async Task A_broadcast_that_expires_while_it_is_sent_ends()
    {
        await using var world = new RoomWorld(shards: 1);
        for (var i = 0; i < 30; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        var command = world.Broadcasts.Append("a", "news", rate: 5, timeToLive: TimeSpan.FromSeconds(2));
        world.Fanout(command);
        world.Advance(3);
        var progress = world.Query(command);
        Assert.True(progress.Finished);
        Assert.InRange(progress.Sent, 5, 15);
    }

    [Fact]
    public async Task A_broadcast_of_another_epoch_resets_the_stream()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Fanout(world.Broadcasts.Append("a", "old"));
        client.ExpectPush("old");
        world.Broadcasts.Of("a").Epoch = 4;
        world.Broadcasts.Of("a").Entries.Clear();
        world.Broadcasts.Of("a").Top = 0;
        world.Fanout(world.Broadcasts.Append("a", "new"));
        Assert.Equal(new ResetMessage(0, StreamKind.Broadcast, 4, 1, ResetReason.DataLoss), client.ExpectReset());
        client.ExpectPush("new");
    }

    [Fact]
    public async Task Sessions_that_come_and_go_during_a_fan_out_break_nothing()
    {
        await using var world = new RoomWorld(shards: 1);
        var clients = Enumerable.Range(0, 50).Select(i => world.LogIn(new UserKey("a", $"u{i}"))).ToList();
        var command = world.Broadcasts.Append("a", "news", rate: 20);
        world.Fanout(command);
        for (var i = 0; i < 50; i += 3)
        {
            world.Advance(0.1);
            clients[i].Unbind(0);
            if (i % 2 == 0)
                world.LogIn(new UserKey("a", $"new{i}"));
        }
        world.Advance(5);
        Assert.True(world.Query(command).Finished);
        for (var i = 0; i < 50; i++)
            Assert.InRange(clients[i].TakeAll().Count(frame => frame.Opcode == Opcode.Push), i % 3 == 0 ? 0 : 1, 1);
    }

    [Fact]
    public async Task An_unlimited_fan_out_yields_between_chunks()
    {
        await using var world = new RoomWorld(options => options.FanoutChunk = 10, shards: 1);
        for (var i = 0; i < 100; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        var command = world.Broadcasts.Append("a", "news");
        var seen = new List<long>();
        // Posted behind the start of the fan-out, this runs between its chunks.
        _ = world.Room.FanoutAsync(command, CancellationToken.None);
        void Look(int left)
        {
            seen.Add(world.Room.Context.Broadcaster.Execute(command with { Action = FanoutAction.Query }).Sent);
            if (left > 0)
                world.Room.Context.Shards[0].Post(Look, left - 1);
        }
        world.Room.Context.Shards[0].Post(Look, 5);
        world.Run();
        Assert.Equal([10, 20, 30, 40, 50, 60], seen);
        Assert.Equal(100, world.Query(command).Sent);
    }

    [Fact]
    public async Task The_frames_of_a_fan_out_are_encoded_once()
    {
        await using var world = new RoomWorld(shards: 1);
        world.LogIn(Alice);
        var command = world.Broadcasts.Append("a", "news");
        var shard = world.Room.Context.Shards[0];
        var fanout = new Delivery.Fanout(world.Room.Context, command);
        Assert.True(fanout.FrameFor(0, shard).Equals(fanout.FrameFor(0, shard)));
        Assert.False(fanout.FrameFor(0, shard).Span.SequenceEqual(fanout.FrameFor(1, shard).Span));
        Assert.Equal(fanout.FrameFor(40, shard).ToArray(), fanout.FrameFor(40, shard).ToArray());
    }

    [Fact]
    public async Task Only_a_bounded_number_of_fan_outs_is_remembered()
    {
        await using var world = new RoomWorld(options => options.MaxFanouts = 2, shards: 1);
        var client = world.LogIn(Alice);
        var commands = Enumerable.Range(1, 3).Select(i => world.Broadcasts.Append("a", $"{i}")).ToList();
        commands.ForEach(command => world.Fanout(command));
        Assert.False(world.Query(commands[0]).Known);
        Assert.True(world.Query(commands[2]).Known);
        world.Fanout(commands[0]);
        Assert.Equal([1, 2, 3], client.TakePushes());
    }

    [Fact]
    public async Task A_crowd_that_catches_up_reads_the_log_once()
    {
        await using var world = new RoomWorld(shards: 1);
        var users = Enumerable.Range(0, 30).Select(i => new UserKey("a", $"u{i}")).ToList();
        foreach (var user in users)
            world.Broadcasts.Open(user, default);
        for (var i = 1; i <= 5; i++)
            world.Broadcasts.Append("a", $"{i}");
        var clients = users.Select(user => world.LogIn(user)).ToList();
        Assert.All(clients, client => Assert.Equal([1, 2, 3, 4, 5], client.TakePushes()));
        Assert.Single(world.Broadcasts.Reads);
    }
}
