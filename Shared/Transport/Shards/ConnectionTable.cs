using System.Runtime.CompilerServices;

namespace PushSystem.Transport.Shards;

/// <summary>
/// The slots of one shard, in chunks so that growth never moves a slot. It owns the free list and the generations; only the
/// shard's turn touches it, except <see cref="Count"/>.
/// </summary>
internal sealed class ConnectionTable
{
    private const int ChunkBits = 10;
    private const int ChunkSize = 1 << ChunkBits;

    private ConnectionSlot[][] _chunks = [];
    private int _used;
    private int _free = -1;
    private int _count;

    /// <summary>Slots in use. Any thread.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Slots that were ever in use; higher ones do not exist.</summary>
    public int Used => _used;

    public ref ConnectionSlot this[int slot] => ref _chunks[slot >> ChunkBits][slot & (ChunkSize - 1)];

    /// <summary>The connection's slot, or a null reference when it is stale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ref ConnectionSlot Find(ConnectionRef connection)
    {
        if ((uint)connection.Slot >= (uint)_used)
            return ref Unsafe.NullRef<ConnectionSlot>();
        ref var slot = ref this[connection.Slot];
        if (slot.Generation != connection.Generation || slot.Wire is null)
            return ref Unsafe.NullRef<ConnectionSlot>();
        return ref slot;
    }

    public ConnectionRef Add(IWire wire)
    {
        var index = _free;
        if (index >= 0)
            _free = this[index].NextFree;
        else
            index = AddSlot();
        ref var slot = ref this[index];
        slot.Wire = wire;
        slot.NextFree = -1;
        Volatile.Write(ref _count, _count + 1);
        return new ConnectionRef(index, slot.Generation);
    }

    /// <summary>Frees the slot; references to its owner are stale from now on.</summary>
    public void Release(int index)
    {
        ref var slot = ref this[index];
        var generation = slot.Generation + 1;
        slot = default;
        slot.Generation = generation == 0 ? 1 : generation;
        slot.NextFree = _free;
        _free = index;
        Volatile.Write(ref _count, _count - 1);
    }

    private int AddSlot()
    {
        var index = _used;
        if (index >> ChunkBits == _chunks.Length)
            Array.Resize(ref _chunks, Math.Max(4, _chunks.Length * 2));
        _chunks[index >> ChunkBits] ??= new ConnectionSlot[ChunkSize];
        this[index].Generation = 1;
        _used = index + 1;
        return index;
    }
}
