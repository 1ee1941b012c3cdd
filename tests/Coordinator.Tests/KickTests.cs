using PushSystem.Contracts;
using PushSystem.Protocol;
using Xunit;

namespace PushSystem.Coordinator.Tests;

public sealed class KickTests : IDisposable
{
    private static readonly UserKey Ann = new(Rig.App, "ann");
    private readonly Rig _rig = new();

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task A_kick_reaches_the_live_room_with_reason_and_generation()
    {
        await using var coordinator = _rig.New();
        _rig.Sessions.Enter(Ann, "room-1", 7, 1, 5);
        var room = _rig.Sessions.Room("room-1", 7);
        room.Sessions[Ann] = 5;
        Assert.True(await coordinator.KickAsync(Ann, CancellationToken.None));
        Assert.Equal(new KickItem(Ann, 5, ReasonCode.Kicked), Assert.Single(room.Kicks));
        Assert.Empty(_rig.Sessions.Unbinds);
    }

    [Fact]
    public async Task A_user_without_a_session_is_not_kicked()
    {
        await using var coordinator = _rig.New();
        Assert.False(await coordinator.KickAsync(Ann, CancellationToken.None));
    }

    [Fact]
    public async Task An_entry_of_a_dead_room_is_removed()
    {
        await using var coordinator = _rig.New();
        _rig.Sessions.Enter(Ann, "room-1", 6, 1, 5);
        _rig.Sessions.Room("room-1", 7);
        Assert.False(await coordinator.KickAsync(Ann, CancellationToken.None));
        Assert.Equal(6, Assert.Single(_rig.Sessions.Unbinds).Incarnation);
        Assert.Null((await _rig.Sessions.LookupAsync([Ann], CancellationToken.None))[0]);
    }

    [Fact]
    public async Task A_user_who_moved_meanwhile_is_kicked_at_the_new_place_and_the_new_entry_survives_the_removal_of_the_old()
    {
        await using var coordinator = _rig.New();
        _rig.Sessions.Enter(Ann, "room-1", 7, 1, 5);
        var newer = _rig.Sessions.Room("room-2", 8);
        _rig.Sessions.Room("room-1", 7).BeforeKick = _ =>
        {
            _rig.Sessions.Enter(Ann, "room-2", 8, 2, 6);
            newer.Sessions[Ann] = 6;
        };
        Assert.True(await coordinator.KickAsync(Ann, CancellationToken.None));
        Assert.Equal(6, Assert.Single(newer.Kicks).Generation);
    }

    [Fact]
    public async Task A_room_that_does_not_know_the_session_makes_the_entry_stale()
    {
        await using var coordinator = _rig.New();
        _rig.Sessions.Enter(Ann, "room-1", 7, 1, 5);
        _rig.Sessions.Room("room-1", 7);
        Assert.False(await coordinator.KickAsync(Ann, CancellationToken.None));
        Assert.Null((await _rig.Sessions.LookupAsync([Ann], CancellationToken.None))[0]);
    }

    [Fact]
    public async Task A_room_that_is_not_known_yet_is_asked_for_before_the_user_counts_as_offline()
    {
        _rig.Sessions.Revision = 6;
        _rig.Sessions.Enter(Ann, "room-1", 7, 1, 5);
        var refreshed = 0;
        await using var coordinator = _rig.New(Cluster(_ =>
        {
            refreshed++;
            _rig.Sessions.Revision = 7;
            _rig.Sessions.Room("room-1", 7).Sessions[Ann] = 5;
            return default;
        }));
        Assert.True(await coordinator.KickAsync(Ann, CancellationToken.None));
        Assert.Equal(1, refreshed);
        Assert.Empty(_rig.Sessions.Unbinds);
    }

    [Fact]
    public async Task An_entry_ahead_of_the_view_is_never_removed()
    {
        _rig.Sessions.Revision = 6;
        _rig.Sessions.Enter(Ann, "room-1", 7, 1, 5);
        await using var coordinator = _rig.New();
        var kick = coordinator.KickAsync(Ann, CancellationToken.None).AsTask();
        await _rig.AdvanceUntil(() => kick.IsCompleted, "it gives up", 0.1);
        Assert.False(await kick);
        Assert.Empty(_rig.Sessions.Unbinds);
    }

    [Fact]
    public async Task A_room_that_has_just_changed_its_incarnation_still_holds_the_session()
    {
        await using var coordinator = _rig.New();
        _rig.Sessions.Enter(Ann, "room-1", 7, 1, 5);
        var room = _rig.Sessions.Room("room-1", 9);
        room.Sessions[Ann] = 5;
        Assert.True(await coordinator.KickAsync(Ann, CancellationToken.None));
        Assert.Single(room.Kicks);
    }

    private static CoordinatorCluster Cluster(Func<CancellationToken, ValueTask> refresh) =>
        new Fakes.FakeCluster().Join("one").Cluster() with { RefreshRooms = refresh };
}
