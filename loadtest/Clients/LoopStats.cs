using PushSystem.Loadtest.Reports;

namespace PushSystem.Loadtest.Clients;

/// <summary>Counts of one loop: written by its thread alone, read by anyone (slightly old).</summary>
internal sealed class LoopStats
{
    public long Connects;
    public long Logins;
    public long LoginFailures;
    public long Disconnects;
    public long Online;
    public long Pushes;
    public long BytesReceived;
    public long Repeated;
    public long Gaps;
    public long Resets;
    public long Acks;
    public long Pings;
    public long Pongs;
    /// <summary>Kicked, replaced or refused for good: such a client does not return.</summary>
    public long Ended;
    /// <summary>Timestamp ticks that the loop waited for something to do, and those that have passed.</summary>
    public long Idle, Elapsed;

    private readonly Dictionary<string, long> _reasons = new(StringComparer.Ordinal);

    /// <summary>From the begin of the connect to LOGIN_OK.</summary>
    public LatencyHistogram LoginLatency { get; } = new();

    /// <summary>Counts a reason in words; seldom, so a lock is fine.</summary>
    public void Count(string reason)
    {
        lock (_reasons)
            _reasons[reason] = _reasons.GetValueOrDefault(reason) + 1;
    }

    public IReadOnlyDictionary<string, long> Reasons
    {
        get
        {
            lock (_reasons)
                return new Dictionary<string, long>(_reasons);
        }
    }
}
