namespace PushSystem.Transport.Shards;

/// <summary>A time provider's timestamps as milliseconds. Any thread.</summary>
internal sealed class MonotonicClock(TimeProvider time)
{
    private readonly long _frequency = time.TimestampFrequency;
    private readonly long _perMillisecond = time.TimestampFrequency % 1000 == 0 ? time.TimestampFrequency / 1000 : 0;

    public long Now => _perMillisecond > 0
        ? time.GetTimestamp() / _perMillisecond
        : (long)((Int128)time.GetTimestamp() * 1000 / _frequency);
}
