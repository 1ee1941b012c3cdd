namespace PushSystem.Register.Redis;

/// <summary>
/// What time it is at a redis server, in its own microseconds: never behind it, and ahead by no more than the fastest round trip of the
/// last minute. Thread-safe.
/// </summary>
internal sealed class RedisClock(TimeProvider time)
{
    private static readonly TimeSpan Age = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private long _offset;
    private long _sampled;
    private bool _known;

    /// <summary>False before the first sample.</summary>
    public bool IsKnown
    {
        get
        {
            lock (_gate)
                return _known;
        }
    }

    /// <summary>A moment that lies <paramref name="ahead"/> of now.</summary>
    public long After(TimeSpan ahead)
    {
        lock (_gate)
            return MicrosecondsOf(time.GetTimestamp()) + _offset + (long)ahead.TotalMicroseconds;
    }

    /// <summary>Takes a reply into account that was asked for at the local <paramref name="sent"/> and carries the server's time.</summary>
    /// <param name="sent">Timestamp of the <see cref="TimeProvider"/>.</param>
    /// <param name="server">Microseconds.</param>
    /// <param name="reset">What was known before is wrong: the server's clock was set, or it is another server.</param>
    public void Sample(long sent, long server, bool reset = false)
    {
        var offset = server - MicrosecondsOf(sent);
        lock (_gate)
        {
            if (_known && !reset && offset >= _offset && time.GetElapsedTime(_sampled) < Age)
                return;
            _offset = offset;
            _sampled = sent;
            _known = true;
        }
    }

    /// <summary>Another server may answer from now on.</summary>
    public void Forget()
    {
        lock (_gate)
            _known = false;
    }

    private long MicrosecondsOf(long timestamp) => (long)time.GetElapsedTime(0, timestamp).TotalMicroseconds;
}
