using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// One lease and the loop that keeps it alive. Owns the deadline until which this process may act as if it held the lease: the moment
/// before the last successful keepalive was sent, plus what etcd granted, minus a margin, all by the monotonic clock.
/// Any thread reads; one loop on the thread pool writes. Disposed by whoever granted it; disposing does not revoke.
/// </summary>
public sealed class LeaseKeeper : IAsyncDisposable
{
    private readonly EtcdClient _etcd;
    private readonly TimeSpan _margin;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _keeping;
    private TimeSpan _timeToLive;
    private long _deadline;
    private int _failures;

    private LeaseKeeper(EtcdClient etcd, EtcdLease lease, TimeSpan margin, long sent)
    {
        (_etcd, Id, _timeToLive, _margin) = (etcd, lease.Id, lease.TimeToLive, margin);
        _deadline = DeadlineFrom(sent);
        _keeping = Task.Run(() => RunAsync(_stopping.Token), CancellationToken.None);
    }

    /// <summary>etcd's id of the lease.</summary>
    public long Id { get; }

    /// <summary>
    /// True while nobody can have seen the lease end. Reads the clock at each call: also right after the process was paused.
    /// </summary>
    public bool IsHeld => !_lost.Task.IsCompleted && _etcd.Clock.GetTimestamp() < Volatile.Read(ref _deadline);

    /// <summary>
    /// Completes when the lease is known to be gone. It may complete long after <see cref="IsHeld"/> turned false, or never: without
    /// an answer from etcd the lease may still live, and then it is held again.
    /// </summary>
    public Task Lost => _lost.Task;

    /// <summary>Takes a new lease. Throws <see cref="EtcdException"/>. The margin must be less than half the life time.</summary>
    public static async Task<LeaseKeeper> GrantAsync(EtcdClient etcd, TimeSpan timeToLive, TimeSpan margin, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(margin, timeToLive / 2);
        var sent = etcd.Clock.GetTimestamp();
        return new LeaseKeeper(etcd, await etcd.GrantAsync(timeToLive, cancellationToken), margin, sent);
    }

    /// <summary>Declares the lease lost: for whoever sees that what was bound to it is gone.</summary>
    public void Abandon() => _lost.TrySetResult();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _lost.TrySetResult();
        await _stopping.CancelAsync();
        await _keeping;
        _stopping.Dispose();
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        var pause = _timeToLive / 3;
        try
        {
            while (!_lost.Task.IsCompleted)
            {
                await Task.Delay(pause, _etcd.Clock, stopping);
                pause = await RenewAsync(stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    private async Task<TimeSpan> RenewAsync(CancellationToken stopping)
    {
        // Before sending: etcd counts from some moment after this one, so that this side's deadline is always the earlier one.
        var sent = _etcd.Clock.GetTimestamp();
        try
        {
            if (await _etcd.KeepAliveAsync(Id, _timeToLive / 3, stopping) is not { } granted)
            {
                _lost.TrySetResult();
                return TimeSpan.Zero;
            }
            _etcd.Metrics.LeaseRenewed(Left());
            _timeToLive = granted;
            _failures = 0;
            Volatile.Write(ref _deadline, DeadlineFrom(sent));
            return granted / 3;
        }
        catch (EtcdException exception)
        {
            var left = (long)Left().TotalMilliseconds;
            if (_failures++ == 0)
                ClusterLog.KeepAliveFailed(_etcd.Logger, Id, left, exception.Message);
            else
                ClusterLog.KeepAliveStillFailed(_etcd.Logger, Id, left, exception.Message);
            // Several tries before the deadline, and soon enough behind it to notice that etcd is back.
            return BackOff.After(_failures, _timeToLive / 40, _timeToLive / 10);
        }
    }

    private TimeSpan Left() => _etcd.Clock.GetElapsedTime(_etcd.Clock.GetTimestamp(), Volatile.Read(ref _deadline));

    private long DeadlineFrom(long sent) => sent + (long)((_timeToLive - _margin).TotalSeconds * _etcd.Clock.TimestampFrequency);
}
