using PushSystem.Contracts;

namespace PushSystem.Register.Redis;

/// <summary>
/// Which rooms are surely dead: not among the living in two rounds one after the other, and not newer than what this process knows
/// of the rooms. One thread turns, any thread asks.
/// </summary>
/// <param name="rooms">The living.</param>
/// <param name="revision">
/// Up to which incarnation this process knows of rooms; without it, the highest incarnation that it has seen alive.
/// </param>
internal sealed class DeadRooms(IRoomDirectory rooms, Func<long>? revision)
{
    private HashSet<RoomIncarnation> _suspects = [];
    private volatile HashSet<RoomIncarnation> _confirmed = [];
    private long _highest;

    public bool IsLive(RoomIncarnation room) => rooms.Find(room.Room, room.Incarnation) is not null;

    public bool IsDead(RoomIncarnation room) => _confirmed.Contains(room) && !IsLive(room);

    /// <summary>Begins a round: of the rooms that have entries, those that are dead now and were in the round before are confirmed.</summary>
    public void Turn(IEnumerable<RoomIncarnation> withEntries)
    {
        foreach (var room in rooms.Rooms)
            _highest = Math.Max(_highest, room.Incarnation);
        var known = revision is null ? _highest : revision();
        var dead = new HashSet<RoomIncarnation>(withEntries.Where(room => room.Incarnation <= known && !IsLive(room)));
        var confirmed = new HashSet<RoomIncarnation>(dead);
        confirmed.IntersectWith(_suspects);
        _suspects = dead;
        _confirmed = confirmed;
    }
}
