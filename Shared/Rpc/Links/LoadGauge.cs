namespace PushSystem.Rpc.Links;

/// <summary>
/// Calls in flight and their bytes in one word, so that one interlocked operation counts both. At most 2^23 calls and 2^40 bytes. Thread-safe.
/// </summary>
internal sealed class LoadGauge(int maxCalls, long maxBytes)
{
    private const int ByteBits = 40;
    private const long ByteMask = (1L << ByteBits) - 1;

    private long _load;

    public int Calls => (int)(Volatile.Read(ref _load) >> ByteBits);

    public long Bytes => Volatile.Read(ref _load) & ByteMask;

    /// <summary>Counts a call, or refuses it and counts nothing. A single call is always taken, however large.</summary>
    public bool TryAdd(long bytes)
    {
        var load = Interlocked.Add(ref _load, (1L << ByteBits) + bytes);
        var calls = load >> ByteBits;
        if (calls <= maxCalls && ((load & ByteMask) <= maxBytes || calls == 1))
            return true;
        Interlocked.Add(ref _load, -((1L << ByteBits) + bytes));
        return false;
    }

    /// <summary>Returns the number of calls that are left.</summary>
    public int Remove(long bytes) => (int)(Interlocked.Add(ref _load, -((1L << ByteBits) + bytes)) >> ByteBits);
}
