using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Center.Delivery;
using PushSystem.Center.Multicasts;
using PushSystem.Center.Tasks;
using PushSystem.Center.Tests.Fakes;
using PushSystem.Center.Tests.Tasks;
using PushSystem.Contracts;
using PushSystem.Hosting.Health;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Multicasts;

/// <summary>Parts of multicasts: worked off, shared, taken over, and never done twice.</summary>
public sealed class MulticastWorkerTests : IAsyncLifetime
{
    private readonly ArmedClock _clock = new();
    private readonly FakeRegistry _registry = new();
    private readonly FakeRooms _rooms = new();
    private readonly FakeApps _apps = new();
    private readonly FakeMulticasts _multicasts;
    private readonly FakeMailboxes _mailboxes;
    private readonly List<Node> _nodes = [];

    public MulticastWorkerTests()
    {
        _multicasts = new FakeMulticasts(_clock);
        _mailboxes = new FakeMailboxes(_clock);
        _ = _apps.SaveAsync(new AppRecord { Id = CenterHost.App }, 0, CancellationToken.None).Result;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.DisposeAsync();
    }

    [Fact]
    public async Task Every_user_gets_it_once_and_those_online_at_once()
    {
        var room = _rooms.Add("room-1");
        for (var i = 0; i < 30; i++)
            _registry.Bind($"u{i}", "room-1", 1);
        var id = _multicasts.Add(Users(2_350));
        await StartAsync();
        await Until(() => State(id) == TaskState.Done, "done");
        await Waiting.Until(() => room.Delivered.Count == 30, "the room has them");
        var record = _multicasts.Record(id);
        Assert.Equal((2_350L, 2_350L, 0L, 30L), (record.Targeted, record.Accepted, record.Refused, record.Online));
        AssertOnce(2_350);
        Assert.All(Users(2_350), user => Assert.Equal(record.ExpiresAt, _mailboxes.Of(CenterHost.App, user)[0].Result.ExpiresAt));
        Assert.Equal(24, _mailboxes.AppendCount);
    }

    [Fact]
    public async Task Two_centers_share_the_parts()
    {
        var ids = Enumerable.Range(0, 3).Select(_ => _multicasts.Add(Users(5_000))).ToArray();
        await StartAsync(self: 1, others: 2);
        await StartAsync(self: 2, others: 1);
        await Until(() => ids.All(id => State(id) == TaskState.Done), "all done");
        Assert.Equal(15_000, _mailboxes.Total);
        Assert.All(ids, id => Assert.Equal(5_000, _multicasts.Record(id).Accepted));
    }

    [Fact]
    public async Task What_a_dead_center_had_appended_and_not_committed_is_not_appended_again()
    {
        var id = _multicasts.Add(Users(250));
        // Everything is appended, nothing of it can be committed.
        _multicasts.Fault = call => call is "commit" or "release" ? new StoreUnavailableException("away") : null;
        var dying = await StartAsync(self: 1, others: 2);
        await Until(() => _mailboxes.Total == 250, "appended");
        dying.Peers.Set(0, [2], silent: true);
        await dying.DisposeAsync();
        Assert.Equal((1L, 0), _multicasts.PartOf(id, 0));
        _multicasts.Fault = null;
        await StartAsync(self: 2);
        await Until(() => State(id) == TaskState.Done, "done by the second");
        AssertOnce(250);
        Assert.Equal(250, _multicasts.Record(id).Accepted);
    }

    [Fact]
    public async Task The_parts_of_a_center_that_dies_are_taken_over_when_the_others_hear_of_it()
    {
        var id = _multicasts.Add(Users(100));
        Assert.Single(await _multicasts.TakeAsync(1, [1, 2], 10, CancellationToken.None));
        var node = await StartAsync(self: 2, others: 1);
        await Waiting.Until(() => _clock.TimerCount > 0, "the worker has looked");
        Assert.Equal(0, _mailboxes.Total);
        node.Peers.Set(2, [2]);
        await Waiting.Until(() => State(id) == TaskState.Done, "done");
    }

    [Fact]
    public async Task A_part_that_was_taken_over_is_dropped_and_its_commit_refused()
    {
        var id = _multicasts.Add(Users(1_000));
        var gate = new TaskCompletionSource();
        var calls = 0;
        _mailboxes.BeforeAppend = () => Interlocked.Increment(ref calls) == 3 ? gate.Task : Task.CompletedTask;
        await StartAsync(self: 1);
        await Until(() => Volatile.Read(ref calls) == 3, "the third append");
        _multicasts.Steal(id, 0, 9);
        gate.SetResult();
        await Until(() => _mailboxes.Total >= 300, "appended");
        await Until(() => Volatile.Read(ref calls) >= 10 || _multicasts.Commits.Count == 0 && _clock.TimerCount == 1, "dropped");
        Assert.Equal(9, _multicasts.PartOf(id, 0).Owner);
        Assert.Empty(_multicasts.Commits);
        Assert.Equal(0, _multicasts.Record(id).Accepted);
    }

    [Fact]
    public async Task A_process_that_does_not_count_as_alive_appends_nothing_more()
    {
        _multicasts.Add(Users(1_000));
        var gate = new TaskCompletionSource();
        _mailboxes.BeforeAppend = () => gate.Task;
        var node = await StartAsync(self: 1);
        await Waiting.Until(() => node.Worker.Held == 1, "taken");
        node.Peers.Set(0, [2], silent: true);
        gate.SetResult();
        await Until(() => _mailboxes.Total == 100, "the append that was under way");
        for (var i = 0; i < 20; i++)
            _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(1, _mailboxes.AppendCount);
        Assert.Empty(_multicasts.Commits);
    }

    [Fact]
    public async Task A_commit_whose_answer_is_lost_stops_nothing()
    {
        var id = _multicasts.Add(Users(300));
        var lost = 0;
        _multicasts.LostAnswer = call => call == "commit" && Interlocked.Increment(ref lost) == 1 ? new StoreUnavailableException("lost") : null;
        await StartAsync();
        await Until(() => State(id) == TaskState.Done, "done");
        Assert.Equal(300, _multicasts.Record(id).Accepted);
        AssertOnce(300);
    }

    [Fact]
    public async Task Parts_whose_taking_was_answered_to_nobody_are_found_again()
    {
        var id = _multicasts.Add(Users(1_200));
        var lost = 0;
        _multicasts.LostAnswer = call => call == "take" && Interlocked.Increment(ref lost) == 1 ? new StoreUnavailableException("lost") : null;
        await StartAsync();
        await Until(() => State(id) == TaskState.Done, "done");
        AssertOnce(1_200);
    }

    [Fact]
    public async Task A_release_that_fails_is_done_later()
    {
        var id = _multicasts.Add(Users(1_000), rate: 100);
        _multicasts.Fault = call => call == "release" ? new StoreUnavailableException("away") : null;
        await StartAsync();
        await Until(() => _mailboxes.Total >= 100, "begun");
        await _multicasts.MoveAsync(CenterHost.App, id, [TaskState.Running], TaskState.Paused, CancellationToken.None);
        await Until(() => _nodes[0].Worker.Held == 0, "left");
        Assert.Equal(1, _multicasts.PartOf(id, 0).Owner);
        _multicasts.Fault = null;
        await Until(() => _multicasts.PartOf(id, 0).Owner == 0, "given back", TimeSpan.FromMilliseconds(200));
        await _multicasts.MoveAsync(CenterHost.App, id, [TaskState.Paused], TaskState.Running, CancellationToken.None);
        await Until(() => State(id) == TaskState.Done, "done", TimeSpan.FromMilliseconds(500));
        AssertOnce(1_000);
    }

    [Fact]
    public async Task Pause_is_obeyed_at_the_cursor_and_resume_goes_on_there()
    {
        var id = _multicasts.Add(Users(1_000), rate: 100);
        await StartAsync();
        await Until(() => _mailboxes.Total == 300, "three groups");
        await _multicasts.MoveAsync(CenterHost.App, id, [TaskState.Running], TaskState.Paused, CancellationToken.None);
        _nodes[0].Worker.Tell(CenterHost.App);
        await Until(() => _multicasts.PartOf(id, 0).Owner == 0, "given back", TimeSpan.FromMilliseconds(5));
        var (_, cursor) = _multicasts.PartOf(id, 0);
        var total = _mailboxes.Total;
        Assert.Equal((cursor, cursor), (total, (int)_multicasts.Record(id).Accepted));
        for (var i = 0; i < 10; i++)
            _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(total, _mailboxes.Total);
        await _multicasts.MoveAsync(CenterHost.App, id, [TaskState.Paused], TaskState.Running, CancellationToken.None);
        _nodes[0].Worker.Tell(CenterHost.App);
        await Until(() => State(id) == TaskState.Done, "done", TimeSpan.FromMilliseconds(200));
        AssertOnce(1_000);
    }

    [Fact]
    public async Task Cancel_and_expiry_end_it()
    {
        var cancelled = _multicasts.Add(Users(1_000), rate: 100);
        var expired = _multicasts.Add(Users(1_000).Select(user => $"x{user}"), rate: 10, timeToLive: TimeSpan.FromSeconds(30));
        await StartAsync();
        await Until(() => _mailboxes.Total >= 300, "begun");
        await _multicasts.MoveAsync(CenterHost.App, cancelled, [TaskState.Running], TaskState.Cancelled, CancellationToken.None);
        await Until(() => State(expired) == TaskState.Done, "expired", TimeSpan.FromMilliseconds(200));
        Assert.Equal(TaskState.Cancelled, State(cancelled));
        Assert.InRange(_multicasts.Record(expired).Accepted, 100, 500);
        Assert.InRange(_multicasts.Record(cancelled).Accepted, 100, 900);
        await Until(() => _nodes[0].Worker.Held == 0, "nothing is held");
        Assert.Equal(_mailboxes.Total, _multicasts.Record(expired).Accepted + _multicasts.Record(cancelled).Accepted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task A_rate_holds_on_average_and_each_center_has_its_share(int centers)
    {
        var id = _multicasts.Add(Users(5_000), rate: 400);
        await StartAsync(self: 1, others: [.. Enumerable.Range(2, centers - 1).Select(token => (long)token)]);
        await Waiting.Until(() => _mailboxes.Total == 100, "the first group");
        var started = _clock.GetTimestamp();
        await Until(() => _mailboxes.Total >= 1_300, "1,300 users", TimeSpan.FromMilliseconds(10));
        var seconds = _clock.GetElapsedTime(started).TotalSeconds;
        // 1,200 at 400 per second take three seconds; the clock moves a little further while the groups are sent.
        Assert.True(seconds >= 3 * centers * 0.99, $"too fast: {seconds}");
        Assert.Equal(TaskState.Running, State(id));
    }

    [Fact]
    public async Task A_part_that_a_rate_holds_back_holds_nobody_else()
    {
        var slow = _multicasts.Add(Users(9_000).Select(user => $"s{user}"), rate: 1);
        var quick = _multicasts.Add(Users(3_000));
        await StartAsync();
        await Until(() => State(quick) == TaskState.Done, "the quick one", TimeSpan.FromMilliseconds(50));
        Assert.Equal(TaskState.Running, State(slow));
    }

    [Theory]
    [InlineData(WriteStatus.Overloaded)]
    [InlineData(WriteStatus.LevelUnavailable)]
    public async Task A_store_without_room_is_asked_again(WriteStatus status)
    {
        var id = _multicasts.Add(Users(200));
        var refusals = 0;
        _mailboxes.OnAppend = _ => Interlocked.Increment(ref refusals) <= 5 ? new AppendReply(status, []) : null;
        await StartAsync();
        await Until(() => State(id) == TaskState.Done, "done");
        Assert.Equal((200, 0), (_multicasts.Record(id).Accepted, _multicasts.Record(id).Refused));
    }

    [Fact]
    public async Task An_append_whose_outcome_is_unknown_is_asked_again_under_the_same_key()
    {
        var id = _multicasts.Add(Users(200));
        var claims = new List<(string Key, string User)>();
        _mailboxes.OnAppend = request =>
        {
            claims.Add((request.Claim!.Key, request.Messages[0].User));
            return claims.Count % 3 == 1 ? throw new StoreUnavailableException("away") : null;
        };
        await StartAsync();
        await Until(() => State(id) == TaskState.Done, "done");
        Assert.Equal(claims[0], claims[1]);
        Assert.Equal(2, claims.Distinct().Count());
        Assert.All(claims, claim => Assert.Contains(claim.Key, c => c > '~'));
        AssertOnce(200);
    }

    [Fact]
    public async Task Users_whose_mailboxes_refuse_for_good_are_counted_and_passed_over()
    {
        var id = _multicasts.Add(Users(300));
        _mailboxes.OnAppend = request => request.Messages[0].User == "u100" ? throw new ArgumentException("payload: too long") : null;
        await StartAsync();
        await Until(() => State(id) == TaskState.Done, "done");
        Assert.Equal((200L, 100L), (_multicasts.Record(id).Accepted, _multicasts.Record(id).Refused));
    }

    [Fact]
    public async Task Stopping_commits_and_gives_back()
    {
        var id = _multicasts.Add(Users(1_000), rate: 100);
        var node = await StartAsync();
        await Until(() => _mailboxes.Total >= 200, "begun");
        await Waiting.For(node.Worker.StopAsync(CancellationToken.None), "the worker stops");
        var (owner, cursor) = _multicasts.PartOf(id, 0);
        Assert.Equal((0L, _mailboxes.Total), (owner, cursor));
    }

    [Fact]
    public async Task A_full_delivery_queue_slows_it_down_and_does_not_stop_it()
    {
        var room = _rooms.Add("room-1");
        var gate = new TaskCompletionSource();
        room.Gate = gate.Task;
        foreach (var user in Users(400))
            _registry.Bind(user, "room-1", 1);
        var id = _multicasts.Add(Users(400));
        await StartAsync(configure: options => (options.RoomQueueBytes, options.RoomTimeout) = (64 * 1_024, TimeSpan.FromMinutes(5)));
        await Until(() => State(id) == TaskState.Done, "done");
        Assert.Equal(400, _multicasts.Record(id).Online);
        gate.SetResult();
    }

    private static IEnumerable<string> Users(int count) => Enumerable.Range(0, count).Select(i => $"u{i}");

    private async Task<Node> StartAsync(long self = 1, Action<CenterOptions>? configure = null, params long[] others)
    {
        var node = new Node(this, new FakePeers(self, others), configure);
        _nodes.Add(node);
        await node.Queue.StartAsync(CancellationToken.None);
        await node.Worker.StartAsync(CancellationToken.None);
        return node;
    }

    private void AssertOnce(int users) => Assert.All(Users(users), user => Assert.Single(_mailboxes.Of(CenterHost.App, user)));

    private TaskState State(long id) => _multicasts.Record(id).State;

    private Task Until(Func<bool> condition, string phase, TimeSpan? step = null) => Waiting.Until(() =>
    {
        if (condition())
            return true;
        _clock.Advance(step ?? TimeSpan.FromMilliseconds(50));
        return false;
    }, phase);

    private sealed class Node : IAsyncDisposable
    {
        private readonly CenterMetrics _metrics = new();
        private bool _isDisposed;

        public Node(MulticastWorkerTests test, FakePeers peers, Action<CenterOptions>? configure)
        {
            var options = new CenterOptions();
            configure?.Invoke(options);
            Peers = peers;
            var router = new SessionRouter(test._registry, test._rooms, _metrics);
            var breakers = new RoomBreakers(options, test._clock, NullLogger<RoomBreakers>.Instance);
            Queue = new DeliveryQueue(router, breakers, options, _metrics, new HealthState(), NullLoggerFactory.Instance);
            var sender = new RangeSender(test._mailboxes, router, Queue, _metrics, test._clock, NullLogger<RangeSender>.Instance);
            Worker = new MulticastWorker(
                test._multicasts, peers, sender, Queue, test._apps, Engines.Sender(options, test._clock), new TaskWakes(), options, _metrics, test._clock,
                NullLogger<MulticastWorker>.Instance);
        }

        public FakePeers Peers { get; }
        public DeliveryQueue Queue { get; }
        public MulticastWorker Worker { get; }

        public async ValueTask DisposeAsync()
        {
            if (_isDisposed)
                return;
            _isDisposed = true;
            await Worker.StopAsync(CancellationToken.None);
            Worker.Dispose();
            await Queue.DisposeAsync();
            _metrics.Dispose();
        }
    }
}
