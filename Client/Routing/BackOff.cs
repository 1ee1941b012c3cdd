namespace PushSystem.Client.Routing;

/// <summary>
/// How long to wait before the next attempt: decorrelated jitter (a random time from base to three times the last one, at most
/// cap). After a connection that lived long enough the ladder starts anew and the first retry comes within half a second.
/// A decision without timers; used by one loop at a time.
/// </summary>
internal sealed class BackOff(TimeSpan baseDelay, TimeSpan cap, TimeSpan reset, Jitter jitter)
{
    /// <summary>Longest wait before the first retry after a long connection.</summary>
    public static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);

    private TimeSpan _base = baseDelay, _cap = cap, _reset = reset, _last;

    /// <summary>A connection has to live this long to reset the ladder.</summary>
    public TimeSpan ResetAfter => _reset;

    /// <summary>Takes what the operator told through the dispatcher; values out of reason are brought inside.</summary>
    public void Configure(TimeSpan baseDelay, TimeSpan cap, TimeSpan reset)
    {
        _base = Clamp(baseDelay, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(1));
        _cap = Clamp(cap, _base, TimeSpan.FromHours(1));
        _reset = Clamp(reset, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10));
    }

    /// <summary>The next wait, given how long the connection was online (zero = never).</summary>
    public TimeSpan Next(TimeSpan lived)
    {
        if (lived >= _reset)
        {
            _last = TimeSpan.Zero;
            return jitter.Between(TimeSpan.Zero, FirstRetry);
        }
        var high = _last < _base ? _base * 3 : _last * 3;
        _last = jitter.Between(_base, high);
        if (_last > _cap)
            _last = _cap;
        return _last;
    }

    /// <summary>Starts the ladder anew.</summary>
    public void Reset() => _last = TimeSpan.Zero;

    private static TimeSpan Clamp(TimeSpan value, TimeSpan low, TimeSpan high) => value < low ? low : value > high ? high : value;
}
