using PushSystem.Client.Connections;
using PushSystem.Protocol;

namespace PushSystem.Client.Heartbeat;

/// <summary>
/// Sends a PING when nothing was sent for an interval and ends the connection when nothing arrives for the ping timeout after one.
/// While the client itself has stopped reading, silence proves nothing and does not count.
/// Owns nothing; one task per connection runs it.
/// </summary>
internal sealed class HeartbeatMonitor(ServerConnection connection, FrameOutput output, IHeartbeatPolicy policy, TimeProvider time, TimeSpan pingTimeout)
{
    private long _pingAt, _readsAtPing;
    private bool _waiting;

    /// <summary>Runs until cancelled or the connection is found dead.</summary>
    public async Task RunAsync(SessionSettings settings, CancellationToken cancellationToken)
    {
        policy.Opened(settings);
        if (policy.IntervalSeconds != settings.HeartbeatDefaultSeconds)
            Ping();
        while (true)
        {
            var now = time.GetTimestamp();
            if (_waiting && connection.Reads != _readsAtPing)
            {
                _waiting = false;
                policy.Answered();
            }
            if (_waiting && time.GetElapsedTime(_pingAt, now) >= pingTimeout)
            {
                _waiting = false;
                if (!connection.IsPaused)
                {
                    policy.Missed();
                    connection.End(ConnectionEnd.Lost($"nothing arrived within {pingTimeout.TotalSeconds} s after a PING"));
                    return;
                }
            }
            var interval = TimeSpan.FromSeconds(policy.IntervalSeconds);
            if (time.GetElapsedTime(output.LastSent, now) >= interval)
                Ping();

            var wait = interval - time.GetElapsedTime(output.LastSent, now);
            if (_waiting)
            {
                var untilTimeout = pingTimeout - time.GetElapsedTime(_pingAt, now);
                wait = untilTimeout < wait ? untilTimeout : wait;
            }
            await Delays.For(wait, time, cancellationToken);
        }
    }

    // The first PING that is not answered decides; later ones do not put it off.
    private void Ping()
    {
        if (!_waiting)
        {
            _waiting = true;
            _readsAtPing = connection.Reads;
            _pingAt = time.GetTimestamp();
        }
        output.Write(new PingMessage(policy.IntervalSeconds).Write);
    }
}
