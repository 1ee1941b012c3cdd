using PushSystem.Contracts;
using PushSystem.Coordinator.Presence;
using PushSystem.Coordinator.Tests.Fakes;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Coordinator.Tests;

public sealed class PresenceTests : IDisposable
{
    private readonly Rig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Coming_and_going_reach_the_webhook_in_order_with_upstream_messages()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url, presence: true);
        await using var coordinator = await _rig.StartAsync();
        await coordinator.NotifyAsync([_rig.Change("ann", true, 5)], CancellationToken.None);
        await coordinator.SubmitAsync(_rig.Message("ann", 1), CancellationToken.None);
        await coordinator.NotifyAsync([_rig.Change("ann", false, 5)], CancellationToken.None);
        await Waiting.Until(() => _rig.Events.Count == 0, "all events");
        Assert.Equal(["ann:presence.online", "ann:1", "ann:presence.offline"], receiver.Accepted);
        receiver.Requests.TryPeek(out var first);
        Assert.Equal("""{"app":"shop","user":"ann","device":"device-1","room":"room-1"}""", first!.Json.GetProperty("data").GetRawText());
    }

    [Fact]
    public async Task A_late_offline_of_an_older_session_changes_nothing()
    {
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);
        await using var coordinator = _rig.New();
        await coordinator.NotifyAsync([_rig.Change("ann", true, 5)], CancellationToken.None);
        await coordinator.NotifyAsync([_rig.Change("ann", true, 6, "room-2")], CancellationToken.None);
        await coordinator.NotifyAsync([_rig.Change("ann", false, 5)], CancellationToken.None);
        Assert.Equal(["presence.online", "presence.online"], Types());
        Assert.Equal(1, _rig.OnlineFacts);
        await coordinator.NotifyAsync([_rig.Change("ann", false, 6, "room-2")], CancellationToken.None);
        Assert.Equal("presence.offline", Types().Last());
        Assert.Equal(0, _rig.OnlineFacts);
    }

    [Fact]
    public async Task Late_changes_within_one_batch_are_ignored_too()
    {
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);
        await using var coordinator = _rig.New();
        await coordinator.NotifyAsync(
            [_rig.Change("ann", true, 6), _rig.Change("ann", false, 5), _rig.Change("bob", true, 1), _rig.Change("bob", false, 1)],
            CancellationToken.None);
        Assert.Equal(["ann presence.online", "bob presence.online", "bob presence.offline"],
            _rig.Events.Stored.Select(item => $"{item.Key.User} {item.Type}"));
    }

    [Fact]
    public async Task A_late_change_is_known_as_late_after_a_restart_and_after_being_forgotten()
    {
        _rig.Options.PresenceUsersInMemory = 2;
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);
        await using (var before = _rig.New())
        {
            await before.NotifyAsync([_rig.Change("ann", true, 6)], CancellationToken.None);
            for (var i = 0; i < 10; i++)
                await before.NotifyAsync([_rig.Change($"u{i}", true, 1)], CancellationToken.None);
            await before.NotifyAsync([_rig.Change("ann", false, 5)], CancellationToken.None);
        }
        await using var after = _rig.New();
        await after.NotifyAsync([_rig.Change("ann", false, 5)], CancellationToken.None);
        Assert.DoesNotContain("presence.offline", Types());
    }

    [Fact]
    public async Task A_repeated_call_stores_nothing_twice()
    {
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);
        PresenceChange[] changes = [_rig.Change("ann", true, 5), _rig.Change("ann", false, 5)];
        for (var i = 0; i < 3; i++)
        {
            await using var coordinator = _rig.New();
            await coordinator.NotifyAsync(changes, CancellationToken.None);
            await coordinator.NotifyAsync(changes, CancellationToken.None);
        }
        Assert.Equal(["presence.online", "presence.offline"], Types());
    }

    [Fact]
    public async Task A_store_failure_is_told_and_the_repetition_stores_the_event()
    {
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);
        await using var coordinator = _rig.New();
        PresenceChange[] changes = [_rig.Change("ann", true, 5)];
        _rig.Events.Away = true;
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await coordinator.NotifyAsync(changes, CancellationToken.None));
        _rig.Events.Away = false;
        await coordinator.NotifyAsync(changes, CancellationToken.None);
        Assert.Equal(["presence.online"], Types());
    }

    [Fact]
    public async Task Apps_that_did_not_ask_for_presence_store_nothing()
    {
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: false);
        await using var coordinator = _rig.New();
        await coordinator.NotifyAsync([_rig.Change("ann", true, 5)], CancellationToken.None);
        Assert.Empty(_rig.Events.Stored);
        Assert.Equal(0, _rig.OnlineFacts);
    }

    [Fact]
    public async Task Users_who_do_not_come_back_after_a_crash_are_reported_offline_and_others_are_not()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        _rig.Add(Rig.App, receiver.Url, presence: true);
        await using (var before = await _rig.StartAsync())
        {
            await before.NotifyAsync(
                [_rig.Change("gone", true, 1), _rig.Change("back", true, 2), _rig.Change("kept", true, 3), _rig.Change("dead", true, 4)],
                CancellationToken.None);
            await Waiting.Until(() => _rig.Events.Count == 0, "the first events");
        }
        // "kept" lives on in a room that did not crash; the registry's entry of "dead" names a room that did.
        _rig.Sessions.Room("room-1", 7);
        _rig.Sessions.Enter(new UserKey(Rig.App, "kept"), "room-1", 7, 1, 3);
        _rig.Sessions.Enter(new UserKey(Rig.App, "dead"), "room-1", 6, 1, 4);
        await using var after = await _rig.StartAsync();
        await after.NotifyAsync([_rig.Change("back", true, 9)], CancellationToken.None);
        _rig.Clock.Advance(TimeSpan.FromSeconds(59));
        Assert.DoesNotContain(receiver.Requests, request => request.Type == "presence.offline");
        await _rig.AdvanceUntil(() => receiver.Accepted.Count(name => name.EndsWith("offline", StringComparison.Ordinal)) == 2, "two go offline");
        await Waiting.Until(() => _rig.Events.Count == 0, "the queue is empty");
        Assert.Equal(["dead:presence.offline", "gone:presence.offline"], receiver.Accepted.Where(name => name.EndsWith("offline", StringComparison.Ordinal)).Order());
        Assert.Equal(2, _rig.OnlineFacts);

        // Settled once: the two who stay are not reported again, and a later, newer online of one who went is.
        await after.NotifyAsync([_rig.Change("gone", true, 10)], CancellationToken.None);
        await Waiting.Until(() => receiver.Accepted.Last() == "gone:presence.online", "it comes back");
    }

    [Fact]
    public async Task Settling_waits_for_a_store_that_is_away()
    {
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);
        await using (var before = _rig.New())
            await before.NotifyAsync([_rig.Change("gone", true, 1)], CancellationToken.None);
        _rig.Options.GiveUpAge = TimeSpan.FromDays(30);
        await using var after = await _rig.StartAsync();
        _rig.Events.FirstFailure = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _rig.Events.Away = true;
        await _rig.AdvanceUntil(() => _rig.Events.FirstFailure.Task.IsCompleted, "the settling meets the failure");
        _rig.Events.Away = false;
        await _rig.AdvanceUntil(() => Types().Contains("presence.offline"), "the settling succeeds");
    }

    [Fact]
    public async Task Presence_beyond_a_full_queue_is_dropped_and_the_state_stays_right()
    {
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);
        await using var coordinator = _rig.New();
        _rig.Events.Capacity = 1;
        await coordinator.NotifyAsync([_rig.Change("ann", true, 1), _rig.Change("bob", true, 2)], CancellationToken.None);
        Assert.Single(_rig.Events.Stored);
        Assert.Equal(2, _rig.OnlineFacts);
    }

    [Fact]
    public void The_table_forgets_the_oldest_users_and_stays_within_its_bound()
    {
        var table = new PresenceTable(100);
        for (var i = 0; i < 1_000; i++)
            table.Set($"u{i}", new PresenceState(true, i));
        Assert.InRange(Enumerable.Range(0, 1_000).Count(i => table.TryGet($"u{i}", out _)), 50, 100);
        Assert.True(table.TryGet("u999", out var last));
        Assert.Equal(999, last.Generation);
        Assert.False(table.TryGet("u0", out _));
    }

    private string[] Types() => [.. _rig.Events.Stored.Select(item => item.Type)];
}
