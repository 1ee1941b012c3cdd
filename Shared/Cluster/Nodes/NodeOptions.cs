namespace PushSystem.Cluster.Nodes;

/// <summary>How a node keeps itself in etcd. Checked by <see cref="Validate"/> when the registration is made.</summary>
public sealed class NodeOptions
{
    /// <summary>
    /// Life of the node's lease, from 2 s (etcd's own least) to 5 min: a dead node is noticed this long after its last sign of life,
    /// later if etcd changes its leader meanwhile. Default 10 s.
    /// </summary>
    public TimeSpan LeaseTime { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long before etcd may end the lease the node takes itself for dead; below half of the lease. Default 1 s.</summary>
    public TimeSpan LeaseMargin { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Least time between two changes of the node's description. Default 500 ms.</summary>
    public TimeSpan DescribeInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a stopping node tries to revoke its lease. Default 2 s.</summary>
    public TimeSpan LeaveTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Throws <see cref="ArgumentException"/> naming the option.</summary>
    public void Validate()
    {
        if (LeaseTime < TimeSpan.FromSeconds(2) || LeaseTime > TimeSpan.FromMinutes(5))
            throw new ArgumentException($"Node:LeaseTime must be from 2 s to 5 min, not {LeaseTime}");
        if (LeaseMargin < TimeSpan.Zero || LeaseMargin >= LeaseTime / 2)
            throw new ArgumentException($"Node:LeaseMargin must be from 0 to less than half of Node:LeaseTime, not {LeaseMargin}");
        if (DescribeInterval < TimeSpan.Zero || DescribeInterval > TimeSpan.FromMinutes(1))
            throw new ArgumentException($"Node:DescribeInterval must be from 0 to 1 min, not {DescribeInterval}");
        if (LeaveTimeout <= TimeSpan.Zero || LeaveTimeout > TimeSpan.FromMinutes(1))
            throw new ArgumentException($"Node:LeaveTimeout must be above 0 and up to 1 min, not {LeaveTimeout}");
    }
}
