namespace PushSystem.Hosting;

/// <summary>
/// A token bucket in one number: the moment at which it will be full again. Rate and size are given with each use, so that a
/// changed limit holds at once. Thread-safe without a lock.
/// </summary>
public sealed class TokenBucket(TimeProvider time)
{
    private long _fullAt = time.GetTimestamp();

    /// <summary>Nothing has been taken for as long as the bucket needs to fill: forgetting it changes nothing.</summary>
    public bool IsFull => Volatile.Read(ref _fullAt) <= time.GetTimestamp();

    /// <summary>
    /// Takes a token of a bucket that holds <paramref name="burst"/> and gains <paramref name="perSecond"/>; both above 0. False: there
    /// is none, and <paramref name="retryAfter"/> says when there will be one.
    /// </summary>
    public bool TryTake(double perSecond, double burst, out TimeSpan retryAfter)
    {
        var cost = Math.Max(1, (long)(time.TimestampFrequency / perSecond));
        var size = (long)(cost * Math.Max(1, burst));
        while (true)
        {
            var now = time.GetTimestamp();
            var before = Volatile.Read(ref _fullAt);
            var after = Math.Max(before, now) + cost;
            if (after - now > size)
            {
                retryAfter = time.GetElapsedTime(0, after - now - size);
                return false;
            }
            if (Interlocked.CompareExchange(ref _fullAt, after, before) == before)
            {
                retryAfter = TimeSpan.Zero;
                return true;
            }
        }
    }
}
