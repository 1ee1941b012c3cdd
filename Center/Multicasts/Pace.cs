namespace PushSystem.Center.Multicasts;

/// <summary>
/// Holds a rate on average: a group may go when what went before is paid off, however large it is itself. Thread-safe.
/// </summary>
internal sealed class Pace(TimeProvider time)
{
    private readonly Lock _lock = new();
    private double _balance;
    private long _last = time.GetTimestamp();

    /// <summary>
    /// Zero: the group may go and is paid for. Otherwise how long to wait before asking again. Rate in persons per second, 0 = unlimited.
    /// </summary>
    public TimeSpan TryTake(int persons, double rate)
    {
        lock (_lock)
        {
            var now = time.GetTimestamp();
            var earned = time.GetElapsedTime(_last, now).TotalSeconds * rate;
            _last = now;
            if (rate <= 0)
            {
                _balance = 0;
                return TimeSpan.Zero;
            }
            // Time that nobody used is not saved up.
            _balance = Math.Min(0, _balance + earned);
            if (_balance < 0)
                return TimeSpan.FromSeconds(Math.Max(0.001, -_balance / rate));
            _balance -= persons;
            return TimeSpan.Zero;
        }
    }
}
