using PushSystem.Cluster.Nodes;

namespace PushSystem.Hosting.Nodes;

/// <summary>
/// Which incarnation this process may serve as. As long as the process runs without a pause, an etcd that is away changes nothing: nobody
/// can be told that this node died. After a pause that may have outlasted the lease, others may have been told, so nothing is served until
/// etcd has answered: with the lease still there, or with a new incarnation.
/// Owns the clock that notices pauses; any thread asks; the host disposes it.
/// </summary>
public sealed class ServingLease : IDisposable
{
    private readonly INodeLease _lease;
    private readonly TimeProvider _time;
    private readonly TimeSpan _longestPause;
    private readonly ITimer _timer;
    private long _lastTick;
    private int _paused;

    /// <param name="lease">The node's lease.</param>
    /// <param name="leaseTime">How long it lasts; a pause of half of it counts.</param>
    /// <param name="time">The clock.</param>
    public ServingLease(INodeLease lease, TimeSpan leaseTime, TimeProvider time)
    {
        (_lease, _time, _longestPause) = (lease, time, leaseTime / 2);
        _lastTick = time.GetTimestamp();
        _timer = time.CreateTimer(_ => Tick(), null, leaseTime / 20, leaseTime / 20);
    }

    /// <summary>The incarnation to serve as; 0 = serve nothing. Decided anew with each call, so that the first one after a pause is refused.</summary>
    public long Incarnation
    {
        get
        {
            if (_lease.Incarnation is var held and not 0)
            {
                Confirm();
                return held;
            }
            return IsPaused() ? 0 : _lease.LastIncarnation;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private bool IsPaused()
    {
        if (_time.GetElapsedTime(Volatile.Read(ref _lastTick)) > _longestPause)
            Volatile.Write(ref _paused, 1);
        return Volatile.Read(ref _paused) != 0;
    }

    private void Tick()
    {
        IsPaused();
        Volatile.Write(ref _lastTick, _time.GetTimestamp());
        if (_lease.Incarnation != 0)
            Confirm();
    }

    // etcd has answered in time, whatever happened before.
    private void Confirm()
    {
        Volatile.Write(ref _lastTick, _time.GetTimestamp());
        Volatile.Write(ref _paused, 0);
    }
}
