using PushSystem.Protocol;

namespace PushSystem.Client.Heartbeat;

/// <summary>
/// Decides the heartbeat interval of one connection. The seam for an adaptive policy: it learns from the outcomes that the monitor
/// reports. Thread-safe: limits may change while the monitor asks.
/// </summary>
internal interface IHeartbeatPolicy
{
    /// <summary>The interval to announce and keep from now on, whole seconds.</summary>
    int IntervalSeconds { get; }

    /// <summary>Login told the limits.</summary>
    void Opened(SessionSettings settings);

    /// <summary>A PONG told new limits.</summary>
    void LimitsChanged(int minSeconds, int maxSeconds);

    /// <summary>A PING at the current interval was answered.</summary>
    void Answered();

    /// <summary>A PING at the current interval was not answered; the connection ends.</summary>
    void Missed();
}

/// <summary>The server's default, or the option's interval inside the server's limits.</summary>
internal sealed class FixedHeartbeat(TimeSpan? wanted) : IHeartbeatPolicy
{
    private volatile Limits _limits = new(0, 1, ProtocolLimits.MaxIntervalSeconds);

    /// <inheritdoc/>
    public int IntervalSeconds
    {
        get
        {
            var limits = _limits;
            return Math.Clamp(limits.Wanted, limits.Min, limits.Max);
        }
    }

    /// <inheritdoc/>
    public void Opened(SessionSettings settings)
    {
        _limits = _limits with { Wanted = wanted is { } value ? (int)value.TotalSeconds : settings.HeartbeatDefaultSeconds };
        LimitsChanged(settings.HeartbeatMinSeconds, settings.HeartbeatMaxSeconds);
    }

    /// <inheritdoc/>
    public void LimitsChanged(int minSeconds, int maxSeconds)
    {
        var min = Math.Clamp(minSeconds, 1, ProtocolLimits.MaxIntervalSeconds);
        _limits = _limits with { Min = min, Max = Math.Clamp(maxSeconds, min, ProtocolLimits.MaxIntervalSeconds) };
    }

    /// <inheritdoc/>
    public void Answered()
    {
    }

    /// <inheritdoc/>
    public void Missed()
    {
    }

    private sealed record Limits(int Wanted, int Min, int Max);
}
