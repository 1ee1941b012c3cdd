using PushSystem.Room.Access;

namespace PushSystem.Room;

/// <summary>
/// One state of the room's settings with what is made of them. Immutable: it is swapped as a whole, and whoever reads it works with
/// it to the end of his turn. Any thread; nothing needs disposal.
/// </summary>
internal sealed class RoomSettings(RoomOptions options)
{
    public RoomOptions Options { get; } = options.Copy();

    public AccessPolicy Access { get; } = new(options);
}
