namespace PushSystem.Rpc.Links;

/// <summary>Monotonic time in the provider's own ticks, so that reading it costs no division. Immutable, thread-safe.</summary>
internal sealed class LinkClock(TimeProvider time)
{
    private readonly double _ticksPerSecond = time.TimestampFrequency;

    public TimeProvider Provider => time;

    public long Now => time.GetTimestamp();

    public long Ticks(TimeSpan span) => (long)(span.TotalSeconds * _ticksPerSecond);

    public long TicksOfMilliseconds(uint milliseconds) => (long)(milliseconds * (_ticksPerSecond / 1000));

    public double Seconds(long ticks) => ticks / _ticksPerSecond;
}
