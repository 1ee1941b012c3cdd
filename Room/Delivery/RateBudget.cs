namespace PushSystem.Room.Delivery;

/// <summary>
/// Persons per second over all shards of the room: a token bucket that holds at most a fifth of a second. Rate 0 = unlimited.
/// Any thread; nothing needs disposal.
/// </summary>
internal sealed class RateBudget(TimeProvider time, int rate)
{
    private readonly Lock _lock = new();
    private int _rate = rate;
    private double _tokens = 1;
    private long _countedAt = time.GetTimestamp();

    public int Rate
    {
        get
        {
            lock (_lock)
                return _rate;
        }
        set
        {
            lock (_lock)
            {
                Refill();
                _rate = Math.Max(0, value);
            }
        }
    }

    /// <summary>Takes up to <paramref name="wanted"/> persons, 0 when it is not time yet.</summary>
    public int Take(int wanted)
    {
        lock (_lock)
        {
            if (_rate == 0)
                return wanted;
            Refill();
            var taken = (int)Math.Min(wanted, _tokens);
            _tokens -= taken;
            return taken;
        }
    }

    /// <summary>Gives back what was taken and not used.</summary>
    public void Return(int unused)
    {
        lock (_lock)
            _tokens += unused;
    }

    private void Refill()
    {
        var now = time.GetTimestamp();
        _tokens = Math.Min(Math.Max(1, _rate / 5.0), _tokens + time.GetElapsedTime(_countedAt, now).TotalSeconds * _rate);
        _countedAt = now;
    }
}
