namespace PushSystem.Redis;

/// <summary>
/// What is under way on one connection: calls and bytes against their bounds, and how many of the calls began in each of the last
/// ticks of the watch. Any thread; nothing waits. Owned by <see cref="RedisConnection"/> and dropped with it, so that calls which the
/// library never ends cost the next connection nothing.
/// </summary>
internal sealed class InFlight(int maxCalls, long maxBytes)
{
    /// <summary>Ticks without an answer that make a connection silent.</summary>
    public const int SilentTicks = 8;

    // One more than can be open at a time: the current tick, the silent ones, and one spare while the watch turns.
    private readonly int[] _begun = new int[SilentTicks + 2];
    private int _tick;
    private int _calls;
    private long _bytes;

    public int Calls => Volatile.Read(ref _calls);

    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Counts a call in; false when it would exceed a bound. One call alone may exceed that of bytes.</summary>
    public bool TryEnter(long bytes, out int slot)
    {
        slot = 0;
        var calls = Interlocked.Increment(ref _calls);
        if (calls > maxCalls || (Interlocked.Add(ref _bytes, bytes) > maxBytes && calls > 1))
        {
            if (calls <= maxCalls)
                Interlocked.Add(ref _bytes, -bytes);
            Interlocked.Decrement(ref _calls);
            return false;
        }
        slot = Volatile.Read(ref _tick) % _begun.Length;
        Interlocked.Increment(ref _begun[slot]);
        return true;
    }

    /// <summary>Counts a call out, whatever came of it.</summary>
    public void Leave(int slot, long bytes)
    {
        Interlocked.Decrement(ref _begun[slot]);
        Interlocked.Add(ref _bytes, -bytes);
        Interlocked.Decrement(ref _calls);
    }

    /// <summary>
    /// Turns to the next tick; false when calls of a tick as old as the limit are still open. Counting ticks instead of reading a
    /// clock means that a pause of this process does not look like silence of redis.
    /// </summary>
    public bool TryTurn()
    {
        var next = _tick + 1;
        if (Volatile.Read(ref _begun[(next + 1) % _begun.Length]) > 0)
            return false;
        Volatile.Write(ref _tick, next);
        return true;
    }
}
