using PushSystem.Client.Connections;
using PushSystem.Protocol;

namespace PushSystem.Client.Heartbeat;

/// <summary>
/// Sends a PING when nothing was sent for an interval and ends the connection when nothing arrives for the ping timeout after one.
/// While the client itself has stopped reading, silence proves nothing and does not count.
/// Owned by its connection; one task runs it, the receive loop reports new limits; nothing to dispose.
/// </summary>
internal sealed class HeartbeatMonitor(ServerConnection connection, FrameOutput output, IHeartbeatPolicy policy, TimeProvider time, TimeSpan pingTimeout)
{
    private volatile TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _pingAt, _readsAtPing;
    private int _announced;
    private bool _waiting;

    /// <summary>A PONG told new limits; the interval follows at once.</summary>
    public void LimitsChanged(int minSeconds, int maxSeconds)
    {
        policy.LimitsChanged(minSeconds, maxSeconds);
        _changed.TrySetResult();
    }

    /// <summary>Runs until cancelled or the connection is found dead.</summary>
    public async Task RunAsync(SessionSettings settings, CancellationToken cancellationToken)
    {
        policy.Opened(settings);
        _announced = settings.HeartbeatDefaultSeconds;
        while (true)
        {
            var changed = _changed.Task;
            if (!Check())
                return;
            if (changed.IsCompleted)
            {
                _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                continue;
            }
            using var cancelDelay = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAny(Delays.For(UntilNext(), time, cancelDelay.Token), changed);
            await cancelDelay.CancelAsync();
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    // Does what is due now; false when the connection is dead.
    private bool Check()
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
                return false;
            }
        }
        if (policy.IntervalSeconds != _announced || time.GetElapsedTime(output.LastSent, now) >= TimeSpan.FromSeconds(policy.IntervalSeconds))
            Ping();
        return true;
    }

    private TimeSpan UntilNext()
    {
        var now = time.GetTimestamp();
        var wait = TimeSpan.FromSeconds(_announced) - time.GetElapsedTime(output.LastSent, now);
        if (!_waiting)
            return wait;
        var untilTimeout = pingTimeout - time.GetElapsedTime(_pingAt, now);
        return untilTimeout < wait ? untilTimeout : wait;
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
        _announced = policy.IntervalSeconds;
        output.Write(new PingMessage(_announced).Write);
    }
}
