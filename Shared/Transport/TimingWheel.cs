namespace PushSystem.Transport;

/// <summary>
/// One deadline per small integer id, for millions of ids. Moving a deadline later is one write: the entry stays where it is
/// linked and is looked at again when its old bucket comes round. An id expires at its deadline rounded up to the tick, never
/// before. It owns its arrays; one thread at a time may use it; nothing needs disposal. Nothing is allocated except when an id
/// beyond the present capacity is set.
/// </summary>
public sealed class TimingWheel
{
    /// <summary>The deadline of an id that has none.</summary>
    public const long Never = long.MaxValue;

    private const int None = -1;

    private readonly long _tick;
    private readonly int _mask;
    private readonly int[] _heads;
    private Entry[] _entries;
    private int _linked;
    // Every tick below _next has been worked off. While TryExpire walks towards its target, _floor lies beyond the target, so
    // that a deadline set in the past by the caller's reaction waits for the next walk instead of prolonging this one.
    private long _next;
    private long _floor;

    /// <param name="tickMilliseconds">Length of a tick, at least 1 ms.</param>
    /// <param name="now">The present, in the milliseconds that deadlines are given in.</param>
    /// <param name="buckets">Ticks of one turn of the wheel, a power of two; deadlines beyond it only cost a look per turn.</param>
    /// <param name="capacity">Ids to have room for from the start.</param>
    public TimingWheel(long tickMilliseconds, long now, int buckets = 4096, int capacity = 256)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(tickMilliseconds, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(buckets, 2);
        ArgumentOutOfRangeException.ThrowIfNotEqual(buckets & (buckets - 1), 0, nameof(buckets));
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        _tick = tickMilliseconds;
        _mask = buckets - 1;
        _heads = new int[buckets];
        Array.Fill(_heads, None);
        _entries = [];
        Grow(capacity);
        _next = FloorTick(now) + 1;
        _floor = _next;
    }

    /// <summary>Ids linked in the wheel, including cleared ones whose bucket has not come round yet.</summary>
    public int Linked => _linked;

    /// <summary>The id's deadline, or <see cref="Never"/>.</summary>
    public long Deadline(int id) => (uint)id < (uint)_entries.Length ? _entries[id].Deadline : Never;

    /// <summary>Sets or moves the id's deadline; <see cref="Never"/> clears it. A deadline that has passed expires on the next tick.</summary>
    public void Set(int id, long deadline)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        if (id >= _entries.Length)
        {
            if (deadline == Never)
                return;
            Grow(id + 1);
        }
        ref var entry = ref _entries[id];
        entry.Deadline = deadline;
        if (deadline == Never)
            return;
        var tick = Math.Max(CeilingTick(deadline), _floor);
        if (entry.Bucket == None)
        {
            Link(id, tick);
        }
        else if (tick < LinkedTick(entry.Bucket))
        {
            Unlink(id);
            Link(id, tick);
        }
    }

    /// <summary>Takes the id's deadline away.</summary>
    public void Clear(int id) => Set(id, Never);

    /// <summary>
    /// Gives the next id whose deadline has passed at <paramref name="now"/> and clears its deadline. Call until it returns
    /// false. Deadlines may be set and cleared between the calls; one set into the past then waits for the next tick.
    /// </summary>
    public bool TryExpire(long now, out int id)
    {
        var target = FloorTick(now);
        _floor = Math.Max(_next, target + 1);
        while (_next <= target)
        {
            if (_linked == 0)
            {
                _next = target + 1;
                break;
            }
            for (var head = _heads[_next & _mask]; head != None; head = _heads[_next & _mask])
            {
                Unlink(head);
                ref var entry = ref _entries[head];
                if (entry.Deadline == Never)
                    continue;
                var tick = CeilingTick(entry.Deadline);
                if (tick > _next)
                {
                    Link(head, tick);
                    continue;
                }
                entry.Deadline = Never;
                id = head;
                return true;
            }
            _next++;
        }
        id = None;
        return false;
    }

    private long FloorTick(long time) => Math.DivRem(time, _tick) is var (quotient, remainder) && remainder < 0 ? quotient - 1 : quotient;

    private long CeilingTick(long time) => Math.DivRem(time, _tick) is var (quotient, remainder) && remainder > 0 ? quotient + 1 : quotient;

    // Linked ticks lie in [_next, _next + buckets), so the bucket alone tells the tick.
    private long LinkedTick(int bucket) => _next + ((bucket - _next) & _mask);

    private void Link(int id, long tick)
    {
        var bucket = (int)(Math.Min(tick, _next + _mask) & _mask);
        ref var entry = ref _entries[id];
        ref var head = ref _heads[bucket];
        entry.Bucket = bucket;
        entry.Previous = None;
        entry.Next = head;
        if (head != None)
            _entries[head].Previous = id;
        head = id;
        _linked++;
    }

    private void Unlink(int id)
    {
        ref var entry = ref _entries[id];
        if (entry.Previous == None)
            _heads[entry.Bucket] = entry.Next;
        else
            _entries[entry.Previous].Next = entry.Next;
        if (entry.Next != None)
            _entries[entry.Next].Previous = entry.Previous;
        entry.Bucket = None;
        _linked--;
    }

    private void Grow(int needed)
    {
        var old = _entries.Length;
        if (needed <= old)
            return;
        Array.Resize(ref _entries, Math.Max(needed, (int)Math.Min(old * 2L, Array.MaxLength)));
        _entries.AsSpan(old).Fill(new Entry { Deadline = Never, Bucket = None });
    }

    private struct Entry
    {
        public long Deadline;
        public int Bucket;
        public int Next;
        public int Previous;
    }
}
