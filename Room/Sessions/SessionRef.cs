namespace PushSystem.Room.Sessions;

/// <summary>One session of the room: shard, slot and the slot's generation.</summary>
internal readonly record struct SessionRef(int Shard, int Slot, uint Generation);

/// <summary>One client of a shard: slot and the slot's generation.</summary>
internal readonly record struct ClientRef(int Slot, uint Generation)
{
    public static readonly ClientRef None = new(-1, 0);
}
