namespace PushSystem.Cluster.Etcd;

/// <summary>Leases: what is bound to one goes when it ends. Thread-safe. Calls throw <see cref="EtcdException"/>.</summary>
public interface IEtcdLeases
{
    /// <summary>A new lease. etcd may grant a longer life than asked for, never a shorter one.</summary>
    ValueTask<EtcdLease> GrantAsync(TimeSpan timeToLive, CancellationToken cancellationToken);

    /// <summary>
    /// Begins the lease's life anew and returns its length from the moment etcd handled this, or null when the lease is gone: that is
    /// the only proof of it, all else (an exception) leaves it open.
    /// </summary>
    ValueTask<TimeSpan?> KeepAliveAsync(long lease, TimeSpan attemptTimeout, CancellationToken cancellationToken);

    /// <summary>Ends the lease and removes its keys. False when there was none.</summary>
    ValueTask<bool> RevokeAsync(long lease, CancellationToken cancellationToken);
}

/// <summary>A lease as it was granted.</summary>
public readonly record struct EtcdLease(long Id, TimeSpan TimeToLive);
