using PushSystem.Protocol;

namespace PushSystem.Client.Heartbeat;

/// <summary>
/// Decides the heartbeat interval of one connection. The seam for an adaptive policy: it learns from the outcomes that the monitor
/// reports. Called by one task at a time.
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
    private int _wanted, _min = 1, _max = ProtocolLimits.MaxIntervalSeconds;

    /// <inheritdoc/>
    public int IntervalSeconds => Math.Clamp(_wanted, _min, _max);

    /// <inheritdoc/>
    public void Opened(SessionSettings settings)
    {
        _wanted = wanted is { } value ? (int)value.TotalSeconds : settings.HeartbeatDefaultSeconds;
        LimitsChanged(settings.HeartbeatMinSeconds, settings.HeartbeatMaxSeconds);
    }

    /// <inheritdoc/>
    public void LimitsChanged(int minSeconds, int maxSeconds)
    {
        _min = Math.Clamp(minSeconds, 1, ProtocolLimits.MaxIntervalSeconds);
        _max = Math.Clamp(maxSeconds, _min, ProtocolLimits.MaxIntervalSeconds);
    }

    /// <inheritdoc/>
    public void Answered()
    {
    }

    /// <inheritdoc/>
    public void Missed()
    {
    }
}
