using PushSystem.Contracts;
using PushSystem.Coordinator.Tests.Fakes;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Coordinator.Tests;

public sealed class ClusterPresenceTests : IDisposable
{
    private readonly Rig _rig = new();
    private readonly FakeCluster _cluster = new();

    public ClusterPresenceTests() => _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: true);

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Only_the_owner_of_an_app_decides_and_the_others_say_so()
    {
        FakePeer first = _cluster.Join("one"), second = _cluster.Join("two");
        await using var one = _rig.New(first.Cluster());
        await using var two = _rig.New(second.Cluster());
        await Assert.ThrowsAsync<FencedException>(async () => await two.NotifyAsync([_rig.Change("ann", true, 5)], CancellationToken.None));
        Assert.Empty(_rig.Events.Stored);
        await one.NotifyAsync([_rig.Change("ann", true, 5)], CancellationToken.None);
        Assert.Equal(["presence.online"], Types());
        // Of several apps in a call, those that are owned are taken.
        _rig.Add("quiet", "http://127.0.0.1:9/");
        await two.NotifyAsync([new PresenceChange(new UserKey("quiet", "x"), true, 1, "", "", 0)], CancellationToken.None);
    }

    [Fact]
    public async Task What_is_late_stays_late_when_another_coordinator_takes_over()
    {
        FakePeer first = _cluster.Join("one"), second = _cluster.Join("two");
        await using var one = _rig.New(first.Cluster());
        await using var two = _rig.New(second.Cluster());
        await one.NotifyAsync([_rig.Change("ann", true, 6, "room-2"), _rig.Change("ann", false, 6, "room-2"), _rig.Change("bob", true, 9)], CancellationToken.None);
        first.Self = 0;
        _cluster.Remove(first);
        await Assert.ThrowsAsync<FencedException>(async () => await one.NotifyAsync([_rig.Change("ann", true, 7)], CancellationToken.None));
        await two.NotifyAsync([_rig.Change("ann", true, 5), _rig.Change("bob", false, 8), _rig.Change("ann", true, 6, "room-2")], CancellationToken.None);
        Assert.Equal(["presence.online", "presence.offline", "presence.online"], Types());
        Assert.Equal(1, _rig.OnlineFacts);
        await two.NotifyAsync([_rig.Change("ann", true, 7)], CancellationToken.None);
        Assert.Equal(2, _rig.OnlineFacts);
    }

    [Fact]
    public async Task An_owner_that_is_paused_in_the_middle_of_a_change_writes_nothing_more()
    {
        FakePeer first = _cluster.Join("one"), second = _cluster.Join("two");
        await using var one = _rig.New(first.Cluster());
        await using var two = _rig.New(second.Cluster());
        await one.NotifyAsync([_rig.Change("bob", true, 1)], CancellationToken.None);
        var gate = _rig.Facts.HoldGet();
        var late = one.NotifyAsync([_rig.Change("ann", true, 5)], CancellationToken.None).AsTask();
        await Waiting.For(gate.Arrived.Task, "the owner is in the middle");
        first.Self = 0;
        _cluster.Remove(first);
        await two.NotifyAsync([_rig.Change("ann", true, 5), _rig.Change("ann", false, 5)], CancellationToken.None);
        gate.Release.SetResult();
        await Assert.ThrowsAsync<FencedException>(() => late);
        Assert.Equal(["presence.online", "presence.online", "presence.offline"], Types());
        Assert.Equal(1, _rig.OnlineFacts);
    }

    [Fact]
    public async Task Users_of_a_room_that_died_are_reported_offline_and_those_who_live_elsewhere_are_not()
    {
        _rig.Options.GiveUpAge = TimeSpan.FromDays(30);
        _rig.Sessions.Room("room-1", 7);
        _rig.Sessions.Room("room-2", 8);
        await using var one = _rig.New(_cluster.Join("one").Cluster());
        await one.StartAsync(CancellationToken.None);
        await one.NotifyAsync([_rig.Change("ann", true, 1), _rig.Change("bob", true, 2), _rig.Change("cat", true, 3)], CancellationToken.None);
        _rig.Sessions.Enter(new UserKey(Rig.App, "ann"), "room-1", 7, 1, 1);
        _rig.Sessions.Enter(new UserKey(Rig.App, "bob"), "room-1", 7, 2, 2);
        _rig.Sessions.Enter(new UserKey(Rig.App, "cat"), "room-2", 8, 1, 3);
        await PassAsync(70);
        Assert.DoesNotContain("presence.offline", Types());
        _rig.Sessions.RemoveRoom("room-1", 7);
        await PassAsync(5);
        // One comes back in time.
        _rig.Sessions.Enter(new UserKey(Rig.App, "bob"), "room-2", 8, 2, 4);
        await one.NotifyAsync([_rig.Change("bob", true, 4, "room-2")], CancellationToken.None);
        await _rig.AdvanceUntil(() => Types().Contains("presence.offline"), "the one who stays away is reported");
        await PassAsync(70);
        Assert.Equal(["ann"], _rig.Events.Stored.Where(item => item.Type == "presence.offline").Select(item => item.Key.User));
    }

    [Fact]
    public async Task A_session_of_a_room_that_is_not_known_here_yet_counts_as_live()
    {
        _rig.Sessions.Revision = 7;
        await using var one = _rig.New(_cluster.Join("one").Cluster());
        await one.StartAsync(CancellationToken.None);
        await one.NotifyAsync([_rig.Change("ann", true, 1), _rig.Change("bob", true, 1)], CancellationToken.None);
        _rig.Sessions.Enter(new UserKey(Rig.App, "ann"), "room-9", 9, 1, 1);
        _rig.Sessions.Enter(new UserKey(Rig.App, "bob"), "room-9", 6, 1, 1);
        await PassAsync(4_000, 10);
        Assert.Equal(["bob"], _rig.Events.Stored.Where(item => item.Type == "presence.offline").Select(item => item.Key.User));
    }

    [Fact]
    public async Task Who_went_offline_is_forgotten_after_a_while_and_an_app_without_presence_at_all()
    {
        await using var one = _rig.New(_cluster.Join("one").Cluster());
        await one.StartAsync(CancellationToken.None);
        _rig.Sessions.Room("room-1", 7);
        _rig.Sessions.Enter(new UserKey(Rig.App, "bob"), "room-1", 7, 1, 1);
        await one.NotifyAsync([_rig.Change("ann", true, 1), _rig.Change("ann", false, 1), _rig.Change("bob", true, 1)], CancellationToken.None);
        Assert.Equal(2, _rig.Facts.CountOf("presence:shop"));
        await PassAsync(3_000, 10);
        Assert.Equal(2, _rig.Facts.CountOf("presence:shop"));
        await _rig.AdvanceUntil(() => _rig.Facts.CountOf("presence:shop") == 1, "it is forgotten", 10);
        _rig.Add(Rig.App, "http://127.0.0.1:9/", presence: false);
        await _rig.AdvanceUntil(() => _rig.Facts.CountOf("presence:shop") == 0, "all is forgotten", 10);
    }

    // The loops run on the pool: a moment for each step.
    private async Task PassAsync(double seconds, double step = 1)
    {
        for (var passed = 0.0; passed < seconds; passed += step)
        {
            _rig.Clock.Advance(TimeSpan.FromSeconds(step));
            await Task.Delay(2);
        }
    }

    private string[] Types() => [.. _rig.Events.Stored.Select(item => item.Type)];
}
