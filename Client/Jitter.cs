namespace PushSystem.Client;

/// <summary>The client's random numbers: one source that tests can seed. Thread-safe.</summary>
internal sealed class Jitter(int? seed)
{
    private readonly Lock _lock = new();
    private readonly Random _random = seed is { } value ? new Random(value) : new Random();

    /// <summary>A time from <paramref name="low"/> to <paramref name="high"/>, uniform.</summary>
    public TimeSpan Between(TimeSpan low, TimeSpan high)
    {
        if (high <= low)
            return low;
        lock (_lock)
            return low + (high - low) * _random.NextDouble();
    }
}
