namespace PushSystem.Register.Memory;

/// <summary>
/// Gives session generations that grow over the registry's life and over its restarts: they begin at the time of start with room for a
/// million per millisecond, so that a restarted registry is ahead of the one before unless the clock went back. Thread-safe.
/// </summary>
internal sealed class Generations(TimeProvider clock)
{
    private const int PerMillisecondBits = 20;

    private long _last = clock.GetUtcNow().ToUnixTimeMilliseconds() << PerMillisecondBits;

    /// <summary>A generation above every earlier one and above <paramref name="floor"/>.</summary>
    public long Next(long floor)
    {
        var last = Volatile.Read(ref _last);
        while (true)
        {
            var next = Math.Max(last, floor) + 1;
            var seen = Interlocked.CompareExchange(ref _last, next, last);
            if (seen == last)
                return next;
            last = seen;
        }
    }
}
