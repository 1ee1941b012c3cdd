using System.Runtime.CompilerServices;

namespace PushSystem.Room.Sessions;

/// <summary>
/// A table of structs addressed by (slot, generation). It owns its cells; only its shard's turn touches it; nothing needs
/// disposal. A cell's generation is odd while it is in use and changes with every use, so that a stale reference finds nothing.
/// Cells never move: a ref stays valid until the slot is freed.
/// </summary>
internal sealed class SlotTable<T> where T : struct
{
    private const int ChunkBits = 8;
    private const int ChunkSize = 1 << ChunkBits;

    private readonly List<Cell[]> _chunks = [];
    private readonly Stack<int> _free = new();

    /// <summary>Slots in use.</summary>
    public int Count { get; private set; }

    /// <summary>Slots ever used: the bound of a walk over all of them.</summary>
    public int HighWater { get; private set; }

    /// <summary>The value of a slot known to be in use.</summary>
    public ref T this[int slot] => ref CellOf(slot).Value;

    public uint GenerationOf(int slot) => CellOf(slot).Generation;

    public bool IsUsed(int slot) => (uint)slot < (uint)HighWater && (CellOf(slot).Generation & 1) != 0;

    public bool IsLive(int slot, uint generation) =>
        (uint)slot < (uint)HighWater && (generation & 1) != 0 && CellOf(slot).Generation == generation;

    /// <summary>The value, or a null ref when the reference is stale.</summary>
    public ref T Find(int slot, uint generation)
    {
        if (IsLive(slot, generation))
            return ref CellOf(slot).Value;
        return ref Unsafe.NullRef<T>();
    }

    /// <summary>Takes a slot; its value is default.</summary>
    public int Allocate(out uint generation)
    {
        if (!_free.TryPop(out var slot))
        {
            slot = HighWater++;
            if (slot >> ChunkBits == _chunks.Count)
                _chunks.Add(new Cell[ChunkSize]);
        }
        ref var cell = ref CellOf(slot);
        generation = ++cell.Generation;
        Count++;
        return slot;
    }

    public void Free(int slot)
    {
        ref var cell = ref CellOf(slot);
        cell.Generation++;
        cell.Value = default;
        _free.Push(slot);
        Count--;
    }

    private ref Cell CellOf(int slot) => ref _chunks[slot >> ChunkBits][slot & (ChunkSize - 1)];

    private struct Cell
    {
        public uint Generation;
        public T Value;
    }
}
