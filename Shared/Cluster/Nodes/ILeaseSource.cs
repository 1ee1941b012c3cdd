namespace PushSystem.Cluster.Nodes;

/// <summary>The lease that everything of this process is bound to. Thread-safe.</summary>
public interface ILeaseSource
{
    /// <summary>The lease in use, not known to be lost; waits while there is none.</summary>
    ValueTask<LeaseKeeper> LeaseAsync(CancellationToken cancellationToken);
}
