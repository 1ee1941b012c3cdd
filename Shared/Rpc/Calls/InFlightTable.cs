using System.Runtime.CompilerServices;

namespace PushSystem.Rpc.Calls;

/// <summary>
/// The calls in flight of one link, by slot and generation, with their deadlines. It owns the slots, not the calls; any thread takes and
/// claims, without a lock; nobody disposes it.
/// A call is claimed exactly once: by its reply, its deadline, its cancellation or the link's end, whoever comes first; the id of a
/// claimed call is never valid again (the generation has 31 bits), so that a late reply cannot meet a newer call.
/// </summary>
internal sealed class InFlightTable<T>(int capacity)
    where T : class
{
    private const int ChunkBits = 8, ChunkSize = 1 << ChunkBits;

    private readonly Slot[]?[] _chunks = new Slot[]?[(capacity + ChunkSize - 1) >> ChunkBits];
    private readonly Lock _growing = new();
    /// <summary>Head of the free list: a counter against reuse in the upper half, slot + 1 in the lower.</summary>
    private long _free;
    private int _used;
    /// <summary>No call in flight has an earlier deadline.</summary>
    private long _earliest = long.MaxValue;

    /// <summary>Slots that have ever been used.</summary>
    public int Used => Math.Min(Volatile.Read(ref _used), capacity);

    /// <summary>Puts a call in and returns its id, above 0; or 0 when the table is full.</summary>
    public long Take(T call, long deadline)
    {
        var index = Pop();
        if (index < 0)
            return 0;
        ref var slot = ref At(index);
        slot.Call = call;
        slot.Deadline = deadline;
        slot.SentAt = long.MaxValue;
        var generation = (uint)(slot.State >> 1) + 1 & 0x7FFF_FFFF;
        // Publishes the call: from here on it may be claimed.
        Volatile.Write(ref slot.State, (long)generation << 1 | 1);
        if (deadline < Volatile.Read(ref _earliest))
            LowerEarliest(deadline);
        return (long)generation << 32 | (uint)(index + 1);
    }

    /// <summary>Where the call's bytes end in the stream of the link, once they are queued; the caller sets it under the queue's lock.</summary>
    public ref long SentAt(long id) => ref At((int)(uint)id - 1).SentAt;

    /// <summary>Takes the call out if it is still in. Any id is allowed.</summary>
    public bool TryClaim(long id, out T call)
    {
        var index = (int)(uint)id - 1;
        if ((uint)index < (uint)capacity && _chunks[index >> ChunkBits] is { } chunk)
            return TryClaim(ref chunk[index & (ChunkSize - 1)], index, (id >> 32) << 1 | 1, out call);
        call = null!;
        return false;
    }

    /// <summary>Claims every call whose deadline is not later than <paramref name="now"/>. Cheap when there is none.</summary>
    public void ClaimExpired(long now, Action<T> expired)
    {
        if (now < Volatile.Read(ref _earliest))
            return;
        // Calls that come meanwhile lower it themselves.
        Interlocked.Exchange(ref _earliest, long.MaxValue);
        var earliest = long.MaxValue;
        for (var index = 0; index < Used; index++)
        {
            if (_chunks[index >> ChunkBits] is not { } chunk)
                continue;
            ref var slot = ref chunk[index & (ChunkSize - 1)];
            var state = Volatile.Read(ref slot.State);
            if ((state & 1) == 0)
                continue;
            var deadline = Volatile.Read(ref slot.Deadline);
            if (deadline > now)
                earliest = Math.Min(earliest, deadline);
            else if (TryClaim(ref slot, index, state, out var call))
                expired(call);
        }
        LowerEarliest(earliest);
    }

    /// <summary>Claims all, with where their bytes end. The caller has made sure that no call is queued any more.</summary>
    public void ClaimAll(Action<T, long> claimed)
    {
        for (var index = 0; index < Used; index++)
        {
            if (_chunks[index >> ChunkBits] is not { } chunk)
                continue;
            ref var slot = ref chunk[index & (ChunkSize - 1)];
            var state = Volatile.Read(ref slot.State);
            var sentAt = Volatile.Read(ref slot.SentAt);
            if ((state & 1) != 0 && TryClaim(ref slot, index, state, out var call))
                claimed(call, sentAt);
        }
    }

    private bool TryClaim(ref Slot slot, int index, long state, out T call)
    {
        if (Interlocked.CompareExchange(ref slot.State, state - 1, state) != state)
        {
            call = null!;
            return false;
        }
        call = slot.Call!;
        slot.Call = null;
        Push(index, ref slot);
        return true;
    }

    private void LowerEarliest(long deadline)
    {
        for (var seen = Volatile.Read(ref _earliest); deadline < seen;)
        {
            var before = Interlocked.CompareExchange(ref _earliest, deadline, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }

    private int Pop()
    {
        while (true)
        {
            var head = Volatile.Read(ref _free);
            var index = (int)(uint)head - 1;
            if (index < 0)
                break;
            // The slot may be taken meanwhile and its link be old: then the counter in the head has changed.
            var next = Volatile.Read(ref At(index).Next);
            if (Interlocked.CompareExchange(ref _free, NextHead(head, next), head) == head)
                return index;
        }
        if (Volatile.Read(ref _used) >= capacity)
            return -1;
        var fresh = Interlocked.Increment(ref _used) - 1;
        if (fresh >= capacity)
        {
            Interlocked.Decrement(ref _used);
            return -1;
        }
        if (_chunks[fresh >> ChunkBits] is null)
        {
            lock (_growing)
                _chunks[fresh >> ChunkBits] ??= new Slot[ChunkSize];
        }
        return fresh;
    }

    private void Push(int index, ref Slot slot)
    {
        while (true)
        {
            var head = Volatile.Read(ref _free);
            Volatile.Write(ref slot.Next, (int)(uint)head);
            if (Interlocked.CompareExchange(ref _free, NextHead(head, index + 1), head) == head)
                return;
        }
    }

    private static long NextHead(long head, int next) => (head >> 32) + 1 << 32 | (uint)next;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private ref Slot At(int index) => ref _chunks[index >> ChunkBits]![index & (ChunkSize - 1)];

    private struct Slot
    {
        /// <summary>Generation, shifted left by one; the lowest bit says that a call is in.</summary>
        public long State;
        public T? Call;
        public long Deadline;
        public long SentAt;
        /// <summary>Next free slot + 1.</summary>
        public int Next;
    }
}
