namespace PushSystem.Cluster.Nodes;

/// <summary>
/// One registration: a lease and the key made under it. Owned by NodeRegistration, whose loop writes <see cref="Written"/>; any thread
/// may declare the key lost. The lease is disposed by the owner.
/// </summary>
internal sealed class NodeHold(LeaseKeeper lease, long incarnation, NodeInfo written)
{
    private volatile bool _isKeyLost;

    public LeaseKeeper Lease { get; } = lease;

    /// <summary>create_revision of the key.</summary>
    public long Incarnation { get; } = incarnation;

    /// <summary>What the key says.</summary>
    public NodeInfo Written { get; set; } = written;

    /// <summary>The key went although the lease may live.</summary>
    public bool IsKeyLost => _isKeyLost;

    public void LoseKey()
    {
        if (!Lease.Lost.IsCompleted)
            _isKeyLost = true;
        Lease.Abandon();
    }
}
