using System.Text;
using PushSystem.Center.Tasks;
using PushSystem.Center.Tests.Fakes;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Tasks;

/// <summary>Two centers over one log: who runs an app's broadcasts, and what happens when that one dies, stands still or is replaced.</summary>
public sealed class BroadcastTakeoverTests : IAsyncLifetime
{
    private const string Work = "broadcasts/" + CenterHost.App;

    private readonly ArmedClock _clock = new();
    private readonly FakeRegistry _registry = new();
    private readonly FakeRooms _rooms = new();
    private readonly FakeClaims _claims = new();
    private readonly FakeBroadcastLog _log;
    private readonly Node _one;
    private readonly Node _two;

    public BroadcastTakeoverTests()
    {
        _log = new FakeBroadcastLog(_clock) { Claims = _claims };
        _one = new Node(this, new FakePeers(1, 2));
        _two = new Node(this, new FakePeers(2, 1) { IsFirst = false });
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _one.DisposeAsync();
        await _two.DisposeAsync();
    }

    [Fact]
    public async Task The_center_that_comes_first_runs_it_whoever_took_the_request()
    {
        var room = _rooms.Add("room-1");
        await StartBothAsync();
        await _two.AppendAsync();
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal([FanoutAction.Run], room.Actions);
        Assert.Equal(1, _one.Peers.Self);
        await Until(() => _claims.Owner(Work) == 0, "the claim is given back");
        await Until(() => _two.Engine.Unfinished(CenterHost.App) == 0, "the other one forgets it");
    }

    [Fact]
    public async Task Without_a_wake_up_the_others_run_it_after_a_while()
    {
        _rooms.Add("room-1");
        await _two.StartAsync();
        await _two.AppendAsync();
        await Waiting.Until(() => _two.Engine.Unfinished(CenterHost.App) == 1 && _clock.TimerCount > 0, "known");
        Assert.Equal(TaskState.Queued, State(1));
        await Until(() => State(1) == TaskState.Done, "done", TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task A_dead_owners_broadcast_goes_on_at_once_with_what_it_had_reached()
    {
        var (stays, goes) = (_rooms.Add("room-1"), _rooms.Add("room-2"));
        stays.OnFanout = _ => new FanoutProgress(true, false, 50, 20);
        goes.OnFanout = _ => new FanoutProgress(true, false, 40, 10);
        _log.KnownUsers = 100;
        await StartBothAsync();
        await _one.AppendAsync();
        await Until(() => _log.Record(1).Sent == 30, "the first owner's report");
        await _one.DieAsync();
        _rooms.Remove("room-2");
        stays.OnFanout = _ => new FanoutProgress(true, true, 50, 50);
        _two.Peers.Set(2, [2]);
        await Until(() => State(1) == TaskState.Done, "done by the second");
        Assert.Equal(2, stays.Actions.Count(action => action == FanoutAction.Run));
        // Fifty in the room that stayed; of the other room's ten nothing is known any more, and the report never falls.
        Assert.Equal((50, 50, 100), (_log.Record(1).Targeted, _log.Record(1).Sent, _log.Record(1).Offline));
    }

    [Fact]
    public async Task An_owner_that_was_replaced_changes_nothing_and_stops()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 1);
        await StartBothAsync();
        await _one.AppendAsync();
        await Until(() => _log.Record(1).Sent == 1, "begun");
        // The first one does not notice that it counts as dead; the second one takes over just before it reports.
        _two.Peers.Set(2, [2], silent: true);
        _log.BeforeFence = _ =>
        {
            _log.BeforeFence = null;
            _claims.Set(Work, 2);
        };
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 7);
        await Until(() => _log.BeforeFence is null, "the takeover");
        await Until(() => !_one.IsRunning, "the first one stops");
        Assert.Equal(1, _log.Record(1).Sent);
        Assert.Equal(2, _claims.Owner(Work));
        room.OnFanout = _ => new FanoutProgress(true, true, 10, 10);
        await Until(() => State(1) == TaskState.Done, "done by the second", TimeSpan.FromMilliseconds(100));
        Assert.Equal(10, _log.Record(1).Sent);
    }

    [Fact]
    public async Task An_owner_that_does_not_count_as_alive_tells_no_room_and_writes_nothing_until_it_does()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 1);
        await _one.StartAsync();
        await _one.AppendAsync();
        await Until(() => room.Commands.Count >= 2, "begun");
        _one.Peers.Set(0, [2], silent: true);
        await Until(() => !_one.IsRunning, "stops");
        var commands = room.Commands.Count;
        room.OnFanout = _ => new FanoutProgress(true, true, 10, 10);
        for (var i = 0; i < 20; i++)
        {
            await Waiting.Until(() => _clock.TimerCount > 0, "the engine waits");
            _clock.Advance(TimeSpan.FromSeconds(1));
        }
        Assert.Equal((commands, TaskState.Running, 1L), (room.Commands.Count, State(1), _claims.Owner(Work)));
        _one.Peers.Set(9, [9]);
        await Until(() => State(1) == TaskState.Done, "goes on under the new token");
    }

    [Fact]
    public async Task A_process_with_a_new_token_takes_its_own_old_claim()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 1);
        await _one.StartAsync();
        await _one.AppendAsync();
        await Until(() => room.Commands.Count >= 2, "begun");
        _one.Peers.Set(7, [2, 7]);
        await Until(() => _claims.Owner(Work) == 7, "claimed anew");
        room.OnFanout = _ => new FanoutProgress(true, true, 10, 10);
        await Until(() => State(1) == TaskState.Done, "done under the new token");
    }

    [Fact]
    public async Task A_process_that_stood_still_within_a_step_tells_no_room_what_was_true_before()
    {
        var (first, second) = (_rooms.Add("room-1"), _rooms.Add("room-2"));
        first.OnFanout = command =>
        {
            // It stood still while it spoke with the first room.
            _one.Peers.Set(0, [2], silent: true);
            return new FanoutProgress(command.Action != FanoutAction.Query, false, 1, 0);
        };
        await _one.StartAsync();
        await _one.AppendAsync();
        await Until(() => first.Commands.Count == 1 && !_one.IsRunning, "stops");
        Assert.Empty(second.Commands);
        Assert.Equal(0, _log.Record(1).Targeted);
    }

    [Fact]
    public async Task What_the_api_does_at_another_center_reaches_the_owner()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 1);
        await StartBothAsync();
        await _one.AppendAsync(rate: 100);
        await Until(() => room.Commands.Count > 0, "begun");
        await _two.Tasks.PauseAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => room.Actions[^1] == FanoutAction.Pause, "paused");
        await _two.Tasks.SetRateAsync(CenterHost.App, "b1-1", 30, CancellationToken.None);
        await _two.Tasks.ResumeAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => room.Commands[^1] is { Action: FanoutAction.Run or FanoutAction.Query, RatePerSecond: 30 }, "resumed with the new rate");
        await _two.Tasks.CancelAsync(CenterHost.App, "b1-1", CancellationToken.None);
        await Until(() => room.Actions.Contains(FanoutAction.Cancel), "cancelled");
        await Until(() => !_one.IsRunning || _one.Engine.Unfinished(CenterHost.App) == 0, "ended");
    }

    [Fact]
    public async Task A_broadcast_that_is_cancelled_after_its_owners_death_is_stopped_in_the_rooms()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 1);
        await StartBothAsync();
        await _one.AppendAsync();
        await Until(() => room.Commands.Count > 0, "begun");
        await Until(() => _log.Record(1).StartedAt != 0, "started");
        await _one.DieAsync();
        await _two.Tasks.CancelAsync(CenterHost.App, "b1-1", CancellationToken.None);
        Assert.Equal(FanoutAction.Cancel, room.Actions[^1]);
    }

    [Fact]
    public async Task Broadcasts_of_several_centers_run_in_the_logs_order()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = command => new FanoutProgress(true, command.Seq != 1, 1, 1);
        await _one.StartAsync();
        await _one.AppendAsync();
        await Until(() => room.Commands.Count > 0, "the first one");
        // The second one is appended elsewhere and the owner is not told; the third one it is.
        var record = (await _log.AppendAsync(Draft(), CancellationToken.None)).Record!;
        await _one.AppendAsync();
        room.OnFanout = _ => new FanoutProgress(true, true, 1, 1);
        await Until(() => State(3) == TaskState.Done, "all");
        Assert.Equal(2, record.Seq);
        Assert.Equal([1L, 2L, 3L], _log.Moves().Where(move => move.State == TaskState.Done).Select(move => move.Seq));
    }

    [Fact]
    public async Task Stopping_gives_the_claim_back_so_that_another_one_goes_on()
    {
        var room = _rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 3, 1);
        await StartBothAsync();
        await _one.AppendAsync();
        await Until(() => room.Commands.Count > 0, "begun");
        await Waiting.For(_one.Engine.StopAsync(CancellationToken.None), "the first one stops");
        Assert.Equal(0, _claims.Owner(Work));
        room.OnFanout = _ => new FanoutProgress(true, true, 3, 3);
        _two.Peers.IsFirst = true;
        _two.Peers.Set(2, [2]);
        await Until(() => State(1) == TaskState.Done, "done by the second");
    }

    [Fact]
    public async Task Claims_that_cannot_be_made_are_tried_again()
    {
        _rooms.Add("room-1");
        _claims.Fault = new StoreUnavailableException("away");
        await _one.StartAsync();
        await _one.AppendAsync();
        await Waiting.Until(() => _one.Engine.Unfinished(CenterHost.App) == 1, "known");
        Assert.Equal(TaskState.Queued, State(1));
        _claims.Fault = null;
        await Until(() => State(1) == TaskState.Done, "done", TimeSpan.FromMilliseconds(100));
    }

    [Fact]
    public async Task A_room_that_does_not_answer_the_new_owner_does_not_lower_the_report()
    {
        var (good, silent) = (_rooms.Add("room-1"), _rooms.Add("room-2"));
        good.OnFanout = _ => new FanoutProgress(true, true, 5, 5);
        silent.Fault = new IOException("not reached");
        _log.Put(new BroadcastRecord
        {
            App = CenterHost.App, Epoch = 1, Seq = 1, State = TaskState.Running, Kind = PayloadKind.Text, PayloadBytes = 1, RatePerSecond = 0,
            AcceptedAt = CenterHost.StartMilliseconds, ExpiresAt = CenterHost.StartMilliseconds + 86_400_000, StartedAt = 1, Targeted = 15, Sent = 12, Offline = 3,
        }, "x"u8.ToArray());
        await _one.StartAsync();
        await Until(() => silent.Commands.Count >= 2, "asked");
        Assert.Equal((15, 12, 3), (_log.Record(1).Targeted, _log.Record(1).Sent, _log.Record(1).Offline));
        silent.OnFanout = _ => new FanoutProgress(true, true, 10, 10);
        silent.Fault = null;
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal((15, 15, 3), (_log.Record(1).Targeted, _log.Record(1).Sent, _log.Record(1).Offline));
    }

    [Fact]
    public async Task A_registry_that_is_away_does_not_hold_a_broadcast()
    {
        _rooms.Add("room-1", connections: 4).OnFanout = _ => new FanoutProgress(true, true, 4, 4);
        _registry.CountFault = new StoreUnavailableException("away");
        _log.KnownUsers = 10;
        await _one.StartAsync();
        await _one.AppendAsync();
        await Until(() => State(1) == TaskState.Done, "done");
        Assert.Equal((4, 6), (_log.Record(1).Sent, _log.Record(1).Offline));
    }

    [Fact]
    public async Task The_sole_center_has_a_higher_token_than_the_one_before_it()
    {
        var tokens = new List<long>();
        for (var i = 0; i < 3; i++)
        {
            var peer = new SolePeer(_claims);
            Assert.Equal((0, 0), (peer.Self, peer.Live.Count));
            await peer.StartAsync(CancellationToken.None);
            Assert.Equal([peer.Self], peer.Live);
            tokens.Add(peer.Self);
        }
        Assert.Equal([2L, 3L, 4L], tokens);
    }

    private static BroadcastDraft Draft(int rate = 0) => new(CenterHost.App, PayloadKind.Text, Encoding.UTF8.GetBytes("x"), null, rate, null);

    private async Task StartBothAsync()
    {
        await _one.StartAsync();
        await _two.StartAsync();
    }

    private TaskState State(long seq) => _log.Record(seq).State;

    private Task Until(Func<bool> condition, string phase, TimeSpan? step = null) => Waiting.Until(() =>
    {
        if (condition())
            return true;
        _clock.Advance(step ?? TimeSpan.FromMilliseconds(20));
        return false;
    }, phase);

    private sealed class Node : IAsyncDisposable
    {
        private readonly CenterMetrics _metrics = new();
        private readonly TaskWakes _wakes = new();
        private readonly WakeSender _sender;
        private bool _isDead;

        public Node(BroadcastTakeoverTests test, FakePeers peers)
        {
            var options = new CenterOptions();
            Peers = peers;
            _sender = Engines.Sender(options, test._clock, new FakeWakeUps(app => test.Other(this)._wakes.Wake(app)));
            Engine = Engines.New(test._log, test._claims, peers, test._registry, test._rooms, options, _metrics, test._clock, _sender, _wakes);
            Tasks = new BroadcastTasks(test._log, Engine, options);
        }

        public FakePeers Peers { get; }
        public BroadcastEngine Engine { get; }
        public BroadcastTasks Tasks { get; }
        public bool IsRunning => Engine.IsRunning(CenterHost.App);

        public async Task StartAsync()
        {
            await _sender.StartAsync(CancellationToken.None);
            await Engine.StartAsync(CancellationToken.None);
        }

        public async Task AppendAsync(int rate = 0) => await Tasks.AppendAsync(Draft(rate));

        /// <summary>Ends without giving anything back, as a process that is killed.</summary>
        public async Task DieAsync()
        {
            _isDead = true;
            Peers.Set(0, [], silent: true);
            await Engine.StopAsync(CancellationToken.None);
        }

        public async ValueTask DisposeAsync()
        {
            if (!_isDead)
                await Engine.StopAsync(CancellationToken.None);
            await _sender.StopAsync(CancellationToken.None);
            _sender.Dispose();
            Engine.Dispose();
            _metrics.Dispose();
        }
    }

    private Node Other(Node node) => node == _one ? _two : _one;
}
