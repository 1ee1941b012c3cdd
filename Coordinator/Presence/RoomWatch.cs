using PushSystem.Contracts;

namespace PushSystem.Coordinator.Presence;

/// <summary>Notices that rooms have gone: their users may not come back. Used by one loop; owns nothing to dispose.</summary>
internal sealed class RoomWatch(IRoomDirectory rooms)
{
    private HashSet<(string, long)> _known = [];

    /// <summary>True when a room that lived at the last look does not live now with the same incarnation.</summary>
    public bool SomeHaveGone()
    {
        var now = rooms.Rooms.Select(room => (room.Id, room.Incarnation)).ToHashSet();
        var gone = !_known.IsSubsetOf(now);
        _known = now;
        return gone;
    }
}
