namespace PushSystem.Room.Delivery;

/// <summary>
/// The sent and unacknowledged messages of one stream behind its head: sequence number, payload bytes and time of sending.
/// Owned by the stream that rented it from its shard's <see cref="RingPool"/>; grows up to the window.
/// </summary>
internal sealed class InFlightRing
{
    private InFlightEntry[] _entries = new InFlightEntry[4];
    private int _first;

    public int Count { get; private set; }

    public int Capacity => _entries.Length;

    public void Add(in InFlightEntry entry)
    {
        if (Count == _entries.Length)
            Grow();
        _entries[(_first + Count) & (_entries.Length - 1)] = entry;
        Count++;
    }

    public InFlightEntry Take()
    {
        var entry = _entries[_first];
        _first = (_first + 1) & (_entries.Length - 1);
        Count--;
        return entry;
    }

    public void Clear()
    {
        _first = 0;
        Count = 0;
    }

    private void Grow()
    {
        var larger = new InFlightEntry[_entries.Length * 2];
        for (var i = 0; i < Count; i++)
            larger[i] = _entries[(_first + i) & (_entries.Length - 1)];
        _entries = larger;
        _first = 0;
    }
}

/// <summary>One message in flight.</summary>
internal readonly record struct InFlightEntry(long Seq, int Bytes, long SentAt);

/// <summary>Rings that wait for use, of one shard. A stream with one message in flight needs none.</summary>
internal sealed class RingPool
{
    private const int MaxKept = 1_024;
    private const int MaxKeptCapacity = 64;

    private readonly Stack<InFlightRing> _kept = new();

    /// <summary>Rings in use now.</summary>
    public int Rented { get; private set; }

    public InFlightRing Rent()
    {
        Rented++;
        return _kept.TryPop(out var ring) ? ring : new InFlightRing();
    }

    public void Return(InFlightRing ring)
    {
        Rented--;
        ring.Clear();
        if (_kept.Count < MaxKept && ring.Capacity <= MaxKeptCapacity)
            _kept.Push(ring);
    }
}
