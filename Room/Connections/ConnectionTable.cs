using System.Runtime.CompilerServices;
using PushSystem.Transport;

namespace PushSystem.Room.Connections;

/// <summary>
/// The room's side of a shard's connections, at the transport's slots. It owns its cells; only the shard's turn touches it;
/// nothing needs disposal. Cells never move.
/// </summary>
internal sealed class ConnectionTable
{
    private const int ChunkBits = 8;
    private const int ChunkSize = 1 << ChunkBits;

    private readonly List<ConnectionState[]> _chunks = [];
    private readonly List<bool[]> _used = [];

    public int Count { get; private set; }

    /// <summary>Slots ever used: the bound of a walk.</summary>
    public int HighWater { get; private set; }

    public ref ConnectionState Open(ConnectionRef connection)
    {
        while (_chunks.Count <= connection.Slot >> ChunkBits)
        {
            _chunks.Add(new ConnectionState[ChunkSize]);
            _used.Add(new bool[ChunkSize]);
        }
        HighWater = Math.Max(HighWater, connection.Slot + 1);
        ref var used = ref _used[connection.Slot >> ChunkBits][connection.Slot & (ChunkSize - 1)];
        if (!used)
            Count++;
        used = true;
        ref var state = ref _chunks[connection.Slot >> ChunkBits][connection.Slot & (ChunkSize - 1)];
        state = default;
        state.Generation = connection.Generation;
        return ref state;
    }

    /// <summary>The state, or a null ref when the reference is stale.</summary>
    public ref ConnectionState Find(ConnectionRef connection)
    {
        if ((uint)connection.Slot < (uint)HighWater && _used[connection.Slot >> ChunkBits][connection.Slot & (ChunkSize - 1)])
        {
            ref var state = ref _chunks[connection.Slot >> ChunkBits][connection.Slot & (ChunkSize - 1)];
            if (state.Generation == connection.Generation)
                return ref state;
        }
        return ref Unsafe.NullRef<ConnectionState>();
    }

    /// <summary>The reference of a slot, None when it is not in use.</summary>
    public ConnectionRef At(int slot) => _used[slot >> ChunkBits][slot & (ChunkSize - 1)]
        ? new ConnectionRef(slot, _chunks[slot >> ChunkBits][slot & (ChunkSize - 1)].Generation)
        : ConnectionRef.None;

    public void Close(ConnectionRef connection)
    {
        ref var state = ref Find(connection);
        if (Unsafe.IsNullRef(ref state))
            return;
        state = default;
        _used[connection.Slot >> ChunkBits][connection.Slot & (ChunkSize - 1)] = false;
        Count--;
    }
}
