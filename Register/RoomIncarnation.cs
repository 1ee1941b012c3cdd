namespace PushSystem.Register;

/// <summary>A room with its incarnation.</summary>
internal readonly record struct RoomIncarnation(string Room, long Incarnation);
