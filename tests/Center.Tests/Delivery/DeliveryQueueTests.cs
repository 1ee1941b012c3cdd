using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Center.Delivery;
using PushSystem.Center.Tests.Fakes;
using PushSystem.Contracts;
using PushSystem.Hosting.Health;
using PushSystem.Hosting.Metrics;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Delivery;

/// <summary>The way of a stored message from its append to its room. Not parallel: the metrics of other tests would be counted.</summary>
[Collection(nameof(MetricTests))]
public sealed class DeliveryQueueTests : IAsyncLifetime
{
    private readonly FakeRegistry _registry = new();
    private readonly FakeRooms _rooms = new();
    private readonly CenterMetrics _metrics = new();
    private readonly PrometheusText _text = new();
    private readonly HealthState _health = new();
    private readonly FakeClock _clock = new();
    private DeliveryQueue _queue = null!;

    public async ValueTask InitializeAsync() => await StartAsync(new CenterOptions());

    public async ValueTask DisposeAsync()
    {
        await _queue.DisposeAsync();
        _text.Dispose();
        _metrics.Dispose();
    }

    [Fact]
    public async Task Messages_of_a_user_reach_the_room_in_order_with_the_sessions_generation()
    {
        var room = _rooms.Add("room-1");
        var entry = _registry.Bind("a", "room-1", 1);
        for (var seq = 1; seq <= 2_000; seq++)
            _queue.Offer(Item("a", seq));
        await Waiting.Until(() => room.Delivered.Count == 2_000, "all messages reach the room");
        Assert.Equal(Enumerable.Range(1, 2_000).Select(seq => (long)seq), room.Delivered.Select(item => item.Seq));
        Assert.All(room.Delivered, item => Assert.Equal(entry.Generation, item.Generation));
        await CountedAsync("taken", 2_000);
    }

    [Fact]
    public async Task What_gathers_while_a_room_is_busy_goes_in_one_call()
    {
        var room = _rooms.Add("room-1");
        var gate = new TaskCompletionSource();
        room.Gate = gate.Task;
        _registry.Bind("a", "room-1", 1);
        _queue.Offer(Item("a", 1));
        await Waiting.For(room.FirstDelivery, "the first call");
        for (var seq = 2; seq <= 300; seq++)
            _queue.Offer(Item("a", seq));
        // Messages are looked up in their order: when this one is found to be for nobody, all others wait for the room.
        _queue.Offer(Item("nobody", 1));
        await CountedAsync("offline", 1);
        gate.SetResult();
        await Waiting.Until(() => room.Delivered.Count == 300, "all messages reach the room");
        Assert.Equal(2, room.DeliverCalls);
    }

    [Fact]
    public async Task A_slow_room_delays_nobody_elses_messages()
    {
        var (slow, quick) = (_rooms.Add("slow"), _rooms.Add("quick"));
        var gate = new TaskCompletionSource();
        slow.Gate = gate.Task;
        _registry.Bind("s", "slow", 1);
        _registry.Bind("q", "quick", 1);
        _queue.Offer(Item("s", 1));
        await Waiting.For(slow.FirstDelivery, "the slow room's call");
        _queue.Offer(Item("q", 1));
        await Waiting.For(quick.FirstDelivery, "the quick room's call");
        gate.SetResult();
        await CountedAsync("taken", 2);
    }

    [Fact]
    public async Task A_stale_entry_is_taken_back_and_the_user_looked_up_once_more()
    {
        var (old, current) = (_rooms.Add("old"), _rooms.Add("current"));
        old.OnDeliver = _ => DeliverOutcome.NotHere;
        _registry.Bind("a", "old", 1);
        _registry.AfterUnbind = () => _registry.Bind("a", "current", 1);
        _queue.Offer(Item("a", 1));
        await Waiting.For(current.FirstDelivery, "the second room's call");
        Assert.Single(old.Delivered);
        await CountedAsync("taken", 1);
        Assert.Contains("push_center_stale_sessions_total 1\n", _text.Collect(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stale_entry_that_was_replaced_meanwhile_is_left_alone()
    {
        var (old, current) = (_rooms.Add("old"), _rooms.Add("current"));
        _registry.Bind("a", "old", 1);
        old.OnDeliver = _ =>
        {
            _registry.Bind("a", "current", 1, connection: 2);
            return DeliverOutcome.NotHere;
        };
        _queue.Offer(Item("a", 1));
        await Waiting.For(current.FirstDelivery, "the second room's call");
        Assert.Equal("current", _registry.Find(new UserKey(CenterHost.App, "a"))!.Room);
    }

    [Fact]
    public async Task A_stale_entry_without_a_successor_is_removed_and_the_message_waits_in_the_mailbox()
    {
        var room = _rooms.Add("room-1");
        room.OnDeliver = _ => DeliverOutcome.NotHere;
        _registry.Bind("a", "room-1", 1);
        _queue.Offer(Item("a", 1));
        await CountedAsync("offline", 1);
        Assert.Null(_registry.Find(new UserKey(CenterHost.App, "a")));
        Assert.Equal(1, room.DeliverCalls);
    }

    [Fact]
    public async Task A_user_is_not_looked_up_a_third_time()
    {
        var room = _rooms.Add("room-1");
        room.OnDeliver = _ => DeliverOutcome.NotHere;
        _registry.Bind("a", "room-1", 1);
        _registry.AfterUnbind = () => _registry.Bind("a", "room-1", 1);
        _queue.Offer(Item("a", 1));
        await CountedAsync("not_here", 1);
        Assert.Equal((2, 2, 1), (room.DeliverCalls, _registry.LookupCalls, _registry.UnbindCalls));
    }

    [Fact]
    public async Task Entries_of_a_room_that_is_gone_are_void_and_left_to_the_sweeper()
    {
        var room = _rooms.Add("room-1", 2);
        _registry.Bind("a", "room-1", 1);
        _registry.Bind("b", "room-9", 1);
        _queue.Offer(Item("a", 1));
        _queue.Offer(Item("b", 1));
        _queue.Offer(Item("nobody", 1));
        await CountedAsync("offline", 3);
        Assert.Equal(0, room.DeliverCalls);
        Assert.Equal(0, _registry.UnbindCalls);
    }

    [Fact]
    public async Task A_full_room_queue_drops_and_counts_and_keeps_the_first()
    {
        await RestartAsync(new CenterOptions { RoomQueueBytes = 64 * 1_024 });
        var room = _rooms.Add("room-1");
        var gate = new TaskCompletionSource();
        room.Gate = gate.Task;
        _registry.Bind("a", "room-1", 1);
        for (var seq = 1; seq <= 300; seq++)
            _queue.Offer(Item("a", seq));
        // 64 KiB hold 255 messages of one byte and 256 bytes of overhead.
        await CountedAsync("room_queue_full", 45);
        gate.SetResult();
        await CountedAsync("taken", 255);
        Assert.Equal(255, room.Delivered[^1].Seq);
    }

    [Fact]
    public async Task A_full_queue_drops_and_counts_and_nobody_waits()
    {
        await RestartAsync(new CenterOptions { DeliveryQueueBytes = 64 * 1_024 }, start: false);
        for (var seq = 1; seq <= 300; seq++)
            _queue.Offer(Item("a", seq));
        await CountedAsync("queue_full", 45);
        Assert.Equal(255 * 257, Bytes());
    }

    [Fact]
    public async Task A_room_that_fails_loses_only_the_hint_and_recovers()
    {
        var room = _rooms.Add("room-1");
        room.Fault = new IOException("gone");
        _registry.Bind("a", "room-1", 1);
        _queue.Offer(Item("a", 1));
        await CountedAsync("failed", 1);
        room.Fault = null;
        _queue.Offer(Item("a", 2));
        await CountedAsync("taken", 1);
    }

    [Fact]
    public async Task A_registry_that_fails_loses_only_the_hint_and_recovers()
    {
        _rooms.Add("room-1");
        _registry.Bind("a", "room-1", 1);
        _registry.Fault = new StoreUnavailableException("gone");
        _queue.Offer(Item("a", 1));
        await CountedAsync("failed", 1);
        _registry.Fault = null;
        _queue.Offer(Item("a", 2));
        await CountedAsync("taken", 1);
    }

    [Fact]
    public async Task A_room_that_restarts_gets_a_lane_of_its_own()
    {
        var old = _rooms.Add("room-1", 1);
        _registry.Bind("a", "room-1", 1);
        _queue.Offer(Item("a", 1));
        await CountedAsync("taken", 1);
        _rooms.Remove("room-1", 1);
        var current = _rooms.Add("room-1", 2);
        _registry.Bind("a", "room-1", 2);
        _queue.Offer(Item("a", 2));
        await CountedAsync("taken", 2);
        Assert.Equal(1L, Assert.Single(old.Delivered).Seq);
        Assert.Equal(2L, Assert.Single(current.Delivered).Seq);
    }

    [Fact]
    public async Task A_defect_that_ends_the_delivery_is_told_to_whoever_restarts_the_process()
    {
        // A registry that answers fewer entries than it was asked for breaks its contract.
        _registry.AnswersNothing = true;
        _queue.Offer(Item("a", 1));
        await Waiting.Until(() => _health.Fatal is not null, "the process is not alive");
        Assert.Contains("delivery", _health.Fatal, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_hands_on_what_is_queued()
    {
        await RestartAsync(new CenterOptions(), start: false);
        var room = _rooms.Add("room-1");
        _registry.Bind("a", "room-1", 1);
        for (var seq = 1; seq <= 100; seq++)
            _queue.Offer(Item("a", seq));
        await _queue.StartAsync(CancellationToken.None);
        await Waiting.For(_queue.StopAsync(CancellationToken.None), "the queue stops");
        Assert.Equal(100, room.Delivered.Count);
        _queue.Offer(Item("a", 101));
        Assert.Equal(0, Bytes());
    }

    [Fact]
    public async Task Stopping_does_not_wait_for_a_room_that_hangs_when_the_time_is_over()
    {
        var room = _rooms.Add("room-1");
        room.Gate = new TaskCompletionSource().Task;
        _registry.Bind("a", "room-1", 1);
        _queue.Offer(Item("a", 1));
        await Waiting.For(room.FirstDelivery, "the call that hangs");
        using var noTime = new CancellationTokenSource();
        await noTime.CancelAsync();
        await Waiting.For(_queue.StopAsync(noTime.Token), "the queue stops");
    }

    [Fact]
    public async Task A_session_in_a_room_that_is_not_known_yet_is_left_alone()
    {
        _rooms.Add("room-1");
        _rooms.Revision = 5;
        _registry.Bind("a", "room-2", 6);
        _registry.Bind("b", "room-2", 5);
        _queue.Offer(Item("a", 1));
        _queue.Offer(Item("b", 1));
        await CountedAsync("room_unknown", 1);
        await CountedAsync("offline", 1);
        Assert.Equal(0, _registry.UnbindCalls);
        Assert.NotNull(_registry.Find(new UserKey(CenterHost.App, "a")));
    }

    [Fact]
    public async Task A_room_that_fails_again_and_again_is_left_alone_and_tried_after_a_while()
    {
        var (bad, good) = (_rooms.Add("bad"), _rooms.Add("good"));
        bad.Fault = new OperationCanceledException("a link's own cancellation");
        _registry.Bind("a", "bad", 1);
        _registry.Bind("g", "good", 1);
        for (var i = 1; i <= 3; i++)
        {
            _queue.Offer(Item("a", i));
            await CountedAsync("failed", i);
        }
        for (var i = 4; i <= 6; i++)
            _queue.Offer(Item("a", i));
        _queue.Offer(Item("g", 1));
        await CountedAsync("room_left_alone", 3);
        await CountedAsync("taken", 1);
        Assert.Equal((3, 1), (bad.DeliverCalls, good.DeliverCalls));
        // Tried after a second, and left alone for twice as long.
        _clock.Advance(TimeSpan.FromSeconds(1));
        _queue.Offer(Item("a", 7));
        await CountedAsync("failed", 4);
        _clock.Advance(TimeSpan.FromSeconds(1));
        _queue.Offer(Item("a", 8));
        await CountedAsync("room_left_alone", 4);
        _clock.Advance(TimeSpan.FromSeconds(1));
        bad.Fault = null;
        _queue.Offer(Item("a", 9));
        await CountedAsync("taken", 2);
        _queue.Offer(Item("a", 10));
        await CountedAsync("taken", 3);
    }

    [Fact]
    public async Task A_room_that_hangs_is_given_up_after_its_time()
    {
        var room = _rooms.Add("room-1");
        room.Gate = new TaskCompletionSource().Task;
        _registry.Bind("a", "room-1", 1);
        _queue.Offer(Item("a", 1));
        await Waiting.For(room.FirstDelivery, "the call that hangs");
        await Waiting.Until(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            return _text.Collect().Contains("outcome=\"failed\"} 1\n", StringComparison.Ordinal);
        }, "the call is given up");
        room.Gate = Task.CompletedTask;
        _queue.Offer(Item("a", 2));
        await CountedAsync("taken", 1);
    }

    [Fact]
    public async Task A_registry_that_fails_after_a_stale_entry_costs_only_those_messages()
    {
        var room = _rooms.Add("room-1");
        room.OnDeliver = item => item.Key.User == "a" ? DeliverOutcome.NotHere : DeliverOutcome.Taken;
        _registry.Bind("a", "room-1", 1);
        _registry.AfterUnbind = () => throw new StoreUnavailableException("gone");
        _queue.Offer(Item("a", 1));
        await CountedAsync("failed", 1);
        _registry.Bind("b", "room-1", 1);
        _queue.Offer(Item("b", 1));
        await CountedAsync("taken", 1);
    }

    private static DeliverItem Item(string user, long seq) =>
        new(new UserKey(CenterHost.App, user), 0, 1, seq, PayloadKind.Text, 0, "x"u8.ToArray());

    private async Task StartAsync(CenterOptions options, bool start = true)
    {
        _queue = new DeliveryQueue(
            new SessionRouter(_registry, _rooms, _metrics), new RoomBreakers(options, _clock, NullLogger<RoomBreakers>.Instance), options, _metrics,
            _health, NullLoggerFactory.Instance);
        if (start)
            await _queue.StartAsync(CancellationToken.None);
    }

    private async Task RestartAsync(CenterOptions options, bool start = true)
    {
        await _queue.DisposeAsync();
        await StartAsync(options, start);
    }

    private Task CountedAsync(string outcome, int count) =>
        Waiting.Until(() => _text.Collect().Contains($"push_center_delivery_hints_total{{outcome=\"{outcome}\"}} {count}\n", StringComparison.Ordinal), $"{count} {outcome}");

    private long Bytes() => long.Parse(
        _text.Collect().Split('\n').Single(line => line.StartsWith("push_center_delivery_queue_bytes ", StringComparison.Ordinal)).Split(' ')[1],
        System.Globalization.CultureInfo.InvariantCulture);
}
