using System.Text;
using PushSystem.Center.Tasks;
using PushSystem.Center.Tests.Fakes;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Tasks;

public sealed class BroadcastEngineTests : IAsyncLifetime
{
    private readonly ArmedClock _clock = new();
    private readonly FakeRegistry _registry = new();
    private readonly FakeRooms _rooms = new();
    private readonly CenterMetrics _metrics = new();
    private readonly FakeClaims _claims = new();
    private readonly FakePeers _peers = new(1);
    private readonly FakeBroadcastLog _log;
    private BroadcastEngine _engine = null!;
    private BroadcastTasks _tasks = null!;

    public BroadcastEngineTests() => _log = new FakeBroadcastLog(_clock) { Claims = _claims };

    public ValueTask InitializeAsync()
    {
        NewEngine();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _engine.StopAsync(CancellationToken.None);
        _engine.Dispose();
        _metrics.Dispose();
    }

    [Fact]
    public async Task A_broadcast_runs_in_every_room_and_is_done_with_its_counts()
    {
        var (one, two) = (_rooms.Add("room-1"), _rooms.Add("room-2"));
        one.OnFanout = _ => new FanoutProgress(true, true, 7, 6);
        two.OnFanout = _ => new FanoutProgress(true, true, 5, 5);
        for (var i = 0; i < 12; i++)
            _registry.Bind($"u{i}", "room-1", 1);
        _log.KnownUsers = 100;
        await StartAsync();
        await AppendAsync("hello", rate: 0);
        await Until(() => State(1) == TaskState.Done, "done");
        var record = _log.Record(1);
        Assert.Equal((12, 11, 88), (record.Targeted, record.Sent, record.Offline));
        Assert.Equal([(1L, TaskState.Running), (1L, TaskState.Done)], _log.Moves());
        var command = Assert.Single(one.Commands);
        Assert.Equal((CenterHost.App, 1u, 1L, FanoutAction.Run, 0, PayloadKind.Text), (command.App, command.Epoch, command.Seq, command.Action, command.RatePerSecond, command.Kind));
        Assert.Equal("hello", Encoding.UTF8.GetString(command.Payload.Span));
        Assert.Equal(record.ExpiresAt, command.ExpiresAt);
    }

    [Fact]
    public async Task Progress_is_asked_and_reported_until_all_rooms_have_finished()
    {
        var room = _rooms.Add("room-1");
        var asked = 0;
        room.OnFanout = _ => new FanoutProgress(true, asked >= 3, 40, 10 * ++asked);
        await StartAsync();
        await AppendAsync();
        await Waiting.Until(() => _log.Record(1).Sent == 10, "the first progress");
        Assert.Equal(TaskState.Running, State(1));
        await Until(() => State(1) == TaskState.Done, "done", TimeSpan.FromMilliseconds(20));
        Assert.Equal((40, 40), (_log.Record(1).Targeted, _log.Record(1).Sent));
        Assert.Equal([FanoutAction.Run, FanoutAction.Query, FanoutAction.Query, FanoutAction.Query], room.Actions);
        Assert.All(room.Commands.Skip(1), command => Assert.True(command.Payload.IsEmpty));
    }

    [Fact]
    public async Task Progress_is_asked_quickly_first_and_seldom_then()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 1, 0);
        await StartAsync();
        await AppendAsync();
        await Waiting.Until(() => room.Commands.Count == 1, "begun");
        int[] waits = [20, 40, 80, 160, 200, 200];
        for (var i = 0; i < waits.Length; i++)
        {
            await TimerAsync();
            _clock.Advance(TimeSpan.FromMilliseconds(waits[i] - 1));
            Assert.Equal(i + 1, room.Commands.Count);
            _clock.Advance(TimeSpan.FromMilliseconds(1));
            await Waiting.Until(() => room.Commands.Count == i + 2, $"question {i + 1}");
        }
    }

    [Fact]
    public async Task Broadcasts_of_an_app_run_one_after_the_other_and_those_of_others_beside()
    {
        var room = _rooms.Add("room-1");
        var isFirstFinished = false;
        room.OnFanout = command => new FanoutProgress(true, command.App != CenterHost.App || command.Seq != 1 || Volatile.Read(ref isFirstFinished), 1, 1);
        await StartAsync();
        for (var i = 0; i < 3; i++)
            await AppendAsync();
        await AppendAsync(app: CenterHost.OtherApp);
        await Until(() => _log.Record(1, CenterHost.OtherApp).State == TaskState.Done, "the other app's");
        Assert.Equal([TaskState.Running, TaskState.Queued, TaskState.Queued], [State(1), State(2), State(3)]);
        Assert.DoesNotContain(room.Commands, command => command is { App: CenterHost.App, Seq: > 1 });
        Volatile.Write(ref isFirstFinished, true);
        await Until(() => State(3) == TaskState.Done, "all");
        Assert.Equal(
            [(1L, TaskState.Running), (1L, TaskState.Done), (2L, TaskState.Running), (2L, TaskState.Done), (3L, TaskState.Running), (3L, TaskState.Done)],
            _log.Moves());
    }

    [Fact]
    public async Task A_room_that_knows_nothing_is_told_again()
    {
        var room = _rooms.Add("room-1");
        var hasForgotten = false;
        room.OnFanout = command =>
        {
            if (command.Action == FanoutAction.Query && !hasForgotten)
            {
                hasForgotten = true;
                return new FanoutProgress(false, false, 0, 0);
            }
            return new FanoutProgress(true, hasForgotten, 2, hasForgotten ? 2 : 0);
        };
        await StartAsync();
        await AppendAsync("again");
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal([FanoutAction.Run, FanoutAction.Query, FanoutAction.Run], room.Actions);
        Assert.Equal("again", Encoding.UTF8.GetString(room.Commands[2].Payload.Span));
    }

    [Fact]
    public async Task A_room_that_restarts_is_told_and_what_it_had_reached_is_kept()
    {
        var (old, other) = (_rooms.Add("room-1", 1), _rooms.Add("room-2"));
        old.OnFanout = _ => new FanoutProgress(true, false, 100, 30);
        other.OnFanout = _ => new FanoutProgress(true, false, 50, 50);
        await StartAsync();
        await AppendAsync();
        await Until(() => _log.Record(1) is { Targeted: 150, Sent: 80 }, "the first progress");
        var current = _rooms.Add("room-1", 2);
        current.OnFanout = _ => new FanoutProgress(true, true, 60, 60);
        _rooms.Remove("room-1", 1);
        other.OnFanout = _ => new FanoutProgress(true, true, 50, 50);
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal((140, 140), (_log.Record(1).Targeted, _log.Record(1).Sent));
        Assert.Equal([FanoutAction.Run], current.Actions);
    }

    [Fact]
    public async Task A_room_that_fails_is_asked_again_and_holds_the_broadcast()
    {
        var (good, bad) = (_rooms.Add("room-1"), _rooms.Add("room-2"));
        bad.Fault = new IOException("gone");
        await StartAsync();
        await AppendAsync();
        await Until(() => bad.Commands.Count >= 3, "asked three times");
        Assert.Equal(TaskState.Running, State(1));
        Assert.Single(good.Commands);
        bad.Fault = null;
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.All(bad.Actions, action => Assert.Equal(FanoutAction.Run, action));
    }

    [Fact]
    public async Task A_room_that_fails_for_good_is_no_hindrance_once_it_is_gone()
    {
        _rooms.Add("room-1");
        _rooms.Add("room-2").Fault = new IOException("gone");
        await StartAsync();
        await AppendAsync();
        await Until(() => _rooms.Rooms.Count == 2 && State(1) == TaskState.Running, "runs");
        _rooms.Remove("room-2");
        await Until(() => State(1) == TaskState.Done, "done");
    }

    [Fact]
    public async Task Pause_reaches_the_rooms_and_resume_lets_them_go_on()
    {
        var room = _rooms.Add("room-1");
        var isFinished = false;
        room.OnFanout = _ => new FanoutProgress(true, isFinished, 10, 4);
        await StartAsync();
        await AppendAsync("payload");
        await Until(() => room.Commands.Count > 0, "begun");
        await _tasks.PauseAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => room.Actions[^1] == FanoutAction.Pause, "paused");
        var commands = room.Commands.Count;
        await TimerAsync();
        _clock.Advance(TimeSpan.FromMinutes(10));
        await TimerAsync();
        Assert.Equal(commands, room.Commands.Count);
        Assert.Equal(TaskState.Paused, State(1));
        isFinished = true;
        await _tasks.ResumeAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal(FanoutAction.Run, room.Actions[commands]);
        Assert.Equal("payload", Encoding.UTF8.GetString(room.Commands[commands].Payload.Span));
    }

    [Fact]
    public async Task A_paused_broadcast_holds_those_behind_it_and_a_cancelled_one_does_not()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = command => new FanoutProgress(true, command.Seq != 1, 1, 0);
        await StartAsync();
        await AppendAsync();
        await AppendAsync();
        await Until(() => room.Commands.Count > 0, "begun");
        await _tasks.PauseAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => room.Actions[^1] == FanoutAction.Pause, "paused");
        await TimerAsync();
        _clock.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(TaskState.Queued, State(2));
        await _tasks.CancelAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => State(2) == TaskState.Done, "the second one");
        Assert.Contains(room.Commands, command => command is { Seq: 1, Action: FanoutAction.Cancel });
    }

    [Fact]
    public async Task A_room_that_has_finished_is_told_of_pause_resume_and_cancellation()
    {
        var (ready, busy) = (_rooms.Add("room-1"), _rooms.Add("room-2"));
        ready.OnFanout = _ => new FanoutProgress(true, true, 5, 5);
        busy.OnFanout = _ => new FanoutProgress(true, false, 5, 1);
        await StartAsync();
        await AppendAsync();
        await Until(() => busy.Commands.Count > 1, "begun");
        await _tasks.PauseAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => ready.Actions[^1] == FanoutAction.Pause, "paused");
        await _tasks.ResumeAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => ready.Actions[^1] == FanoutAction.Run, "resumed");
        await _tasks.CancelAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => ready.Actions[^1] == FanoutAction.Cancel && busy.Actions[^1] == FanoutAction.Cancel, "cancelled");
        Assert.Equal([FanoutAction.Run, FanoutAction.Pause, FanoutAction.Run, FanoutAction.Cancel], ready.Actions);
    }

    [Fact]
    public async Task A_queued_broadcast_that_is_cancelled_never_runs()
    {
        var room = _rooms.Add("room-1");
        var isFirstFinished = false;
        room.OnFanout = command => new FanoutProgress(true, command.Seq != 1 || isFirstFinished, 1, 0);
        await StartAsync();
        for (var i = 0; i < 3; i++)
            await AppendAsync();
        await Until(() => room.Commands.Count > 0, "begun");
        await _tasks.CancelAsync(CenterHost.App, "b1-2", CancellationToken.None);
        Assert.Equal(2, _engine.Unfinished(CenterHost.App));
        isFirstFinished = true;
        await Until(() => State(3) == TaskState.Done, "the third one");
        Assert.DoesNotContain(room.Commands, command => command.Seq == 2);
    }

    [Fact]
    public async Task A_rate_is_divided_by_connections_first_and_by_targets_then()
    {
        var (small, big) = (_rooms.Add("room-1", connections: 100), _rooms.Add("room-2", connections: 300));
        small.OnFanout = _ => new FanoutProgress(true, false, 500, 0);
        big.OnFanout = _ => new FanoutProgress(true, false, 300, 0);
        await StartAsync();
        await AppendAsync(rate: 800);
        await Until(() => big.Commands.Count > 0 && small.Commands.Count > 0, "begun");
        Assert.Equal((200, 600), (small.Commands[0].RatePerSecond, big.Commands[0].RatePerSecond));
        await Until(() => small.Commands.Count > 1 && big.Commands.Count > 1, "shared anew");
        Assert.Equal((FanoutAction.Run, 500), (small.Commands[1].Action, small.Commands[1].RatePerSecond));
        Assert.Equal((FanoutAction.Run, 300), (big.Commands[1].Action, big.Commands[1].RatePerSecond));
        big.OnFanout = _ => new FanoutProgress(true, true, 300, 300);
        await Until(() => small.Commands[^1] is { RatePerSecond: 800 }, "all of it for the one that is left");
        await _tasks.SetRateAsync(CenterHost.App, "b1-1", 50, CancellationToken.None);
        await Until(() => small.Commands[^1] is { Action: FanoutAction.Run, RatePerSecond: 50 }, "the new rate");
    }

    [Fact]
    public async Task An_expired_broadcast_is_done_wherever_it_was()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 4);
        await StartAsync();
        for (var i = 0; i < 3; i++)
            await AppendAsync(timeToLive: TimeSpan.FromSeconds(60));
        await Until(() => room.Commands.Count > 0, "begun");
        await _tasks.PauseAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => room.Actions[^1] == FanoutAction.Pause, "paused");
        await TimerAsync();
        _clock.Advance(TimeSpan.FromSeconds(60));
        await Until(() => State(3) == TaskState.Done, "all");
        Assert.Equal([TaskState.Done, TaskState.Done], [State(1), State(2)]);
        Assert.Equal([FanoutAction.Cancel], room.Commands.Where(command => command.Action == FanoutAction.Cancel).Select(command => command.Action));
        Assert.DoesNotContain(room.Commands, command => command.Seq > 1);
    }

    [Fact]
    public async Task Unfinished_broadcasts_are_taken_up_in_order_when_the_engine_starts()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, true, 3, 3);
        _log.Put(Left(1, TaskState.Running) with { StartedAt = 1, Targeted = 10, Sent = 8, Offline = 77 }, "one"u8.ToArray());
        _log.Put(Left(2, TaskState.Queued), "two"u8.ToArray());
        _log.Put(Left(3, TaskState.Cancelled), "three"u8.ToArray());
        await StartAsync();
        await Until(() => State(2) == TaskState.Done, "both");
        Assert.Equal([1L, 2L], room.Commands.Select(command => command.Seq));
        Assert.Equal("one", Encoding.UTF8.GetString(room.Commands[0].Payload.Span));
        // Five of the eight were reached by a room that is not there any more.
        Assert.Equal((8, 8, 77), (_log.Record(1).Targeted, _log.Record(1).Sent, _log.Record(1).Offline));
    }

    [Fact]
    public async Task A_paused_broadcast_that_is_taken_up_pauses_the_rooms_again()
    {
        var room = _rooms.Add("room-1");
        _log.Put(Left(1, TaskState.Paused) with { StartedAt = 1 }, "one"u8.ToArray());
        await StartAsync();
        await Until(() => room.Commands.Count > 0, "told");
        Assert.Equal([FanoutAction.Pause], room.Actions);
    }

    [Fact]
    public async Task A_log_that_is_away_at_the_start_is_asked_until_it_answers()
    {
        _rooms.Add("room-1");
        _log.Put(Left(1, TaskState.Queued), "one"u8.ToArray());
        var asked = 0;
        _log.Fault = call => call == "unfinished" && Interlocked.Increment(ref asked) < 5 ? new StoreUnavailableException("gone") : null;
        await StartAsync();
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal(5, asked);
    }

    [Theory]
    [InlineData("find")]
    [InlineData("move")]
    [InlineData("payload")]
    [InlineData("report")]
    [InlineData("known")]
    public async Task A_log_that_fails_in_between_is_asked_again(string failing)
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, true, 3, 3);
        var failures = 0;
        _log.Fault = call => call == failing && Interlocked.Increment(ref failures) <= 4 ? new StoreUnavailableException("gone") : null;
        await StartAsync();
        await AppendAsync();
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.InRange(failures, 4, 10);
        Assert.Equal((3, 3), (_log.Record(1).Targeted, _log.Record(1).Sent));
        Assert.Single(room.Commands, command => command.Action == FanoutAction.Run);
    }

    [Fact]
    public async Task Tasks_that_another_process_appended_are_found()
    {
        _rooms.Add("room-1");
        await StartAsync();
        await TimerAsync();
        _log.Put(Left(1, TaskState.Queued), "one"u8.ToArray());
        await Until(() => State(1) == TaskState.Done, "done", TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_record_that_is_told_late_changes_nothing()
    {
        var room = _rooms.Add("room-1");
        await StartAsync();
        await AppendAsync();
        await Until(() => State(1) == TaskState.Done, "done");
        await Until(() => _engine.Unfinished(CenterHost.App) == 0, "gone");
        _engine.Put(_log.Record(1) with { State = TaskState.Running });
        await Until(() => _engine.Unfinished(CenterHost.App) == 0, "gone again");
        Assert.Equal([FanoutAction.Run], room.Actions);
        Assert.Equal(TaskState.Done, State(1));
    }

    [Fact]
    public async Task Without_rooms_everybody_is_offline_and_it_is_done()
    {
        _log.KnownUsers = 9;
        await StartAsync();
        await AppendAsync();
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal((0, 0, 9), (_log.Record(1).Targeted, _log.Record(1).Sent, _log.Record(1).Offline));
    }

    [Fact]
    public async Task Stopping_leaves_the_task_for_the_next_start()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 3, 1);
        await StartAsync();
        await AppendAsync();
        await Until(() => room.Commands.Count > 0, "begun");
        await Waiting.For(_engine.StopAsync(CancellationToken.None), "the engine stops");
        _engine.Dispose();
        Assert.Equal(TaskState.Running, State(1));
        room.OnFanout = _ => new FanoutProgress(true, true, 3, 3);
        NewEngine();
        await StartAsync();
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal((3, 3), (_log.Record(1).Targeted, _log.Record(1).Sent));
    }

    private static BroadcastRecord Left(long seq, TaskState state) => new()
    {
        App = CenterHost.App, Epoch = 1, Seq = seq, State = state, Kind = PayloadKind.Text, PayloadBytes = 3, RatePerSecond = 0,
        AcceptedAt = CenterHost.StartMilliseconds, ExpiresAt = CenterHost.StartMilliseconds + 86_400_000,
    };

    private void NewEngine()
    {
        var options = new CenterOptions();
        _engine = Engines.New(_log, _claims, _peers, _registry, _rooms, options, _metrics, _clock);
        _tasks = new BroadcastTasks(_log, _engine, options);
    }

    /// <summary>Starts the engine and waits until it has asked the log, so that a later task is told to it once.</summary>
    private async Task StartAsync()
    {
        await _engine.StartAsync(CancellationToken.None);
        await Waiting.Until(() => _clock.TimerCount > 0, "the engine has asked the log");
    }

    private async Task AppendAsync(string text = "x", int rate = 0, TimeSpan? timeToLive = null, string app = CenterHost.App) =>
        await _tasks.AppendAsync(new BroadcastDraft(app, PayloadKind.Text, Encoding.UTF8.GetBytes(text), timeToLive, rate, null));

    private TaskState State(long seq) => _log.Record(seq).State;

    /// <summary>Moves the clock in small steps until the condition holds.</summary>
    private Task Until(Func<bool> condition, string phase, TimeSpan? step = null) => Waiting.Until(() =>
    {
        if (condition())
            return true;
        _clock.Advance(step ?? TimeSpan.FromMilliseconds(20));
        return false;
    }, phase);

    /// <summary>Waits until the engine waits for the clock again, so that advancing it finds the timer.</summary>
    private async Task TimerAsync()
    {
        // The refresh loop has one timer and each running app another one.
        await Waiting.Until(() => _clock.TimerCount >= (_engine.Unfinished(CenterHost.App) > 0 ? 2 : 1), "the engine waits");
    }
}
