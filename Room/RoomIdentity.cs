namespace PushSystem.Room;

/// <summary>Who this room is: the node id and the incarnation of this process, unique and growing.</summary>
public sealed record RoomIdentity(string NodeId, long Incarnation);
