using PushSystem.Contracts;

namespace PushSystem.Standalone;

/// <summary>
/// The directory of a process with one room. Owns nothing; any thread reads; the room is set once at start, before the first
/// request is served.
/// </summary>
internal sealed class SingleRoomDirectory(Func<RoomInfo> describe) : IRoomDirectory
{
    private IRoomNode? _node;
    private RoomInfo? _identity;

    /// <summary>Makes the room known.</summary>
    public void Set(IRoomNode node)
    {
        _identity = describe();
        Volatile.Write(ref _node, node);
    }

    /// <inheritdoc/>
    public IReadOnlyList<RoomInfo> Rooms => Volatile.Read(ref _node) is null ? [] : [describe()];

    /// <inheritdoc/>
    public IRoomNode? Find(string room, long incarnation) =>
        Volatile.Read(ref _node) is { } node && _identity!.Id == room && _identity.Incarnation == incarnation ? node : null;
}
