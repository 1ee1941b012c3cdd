using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;

namespace PushSystem.Hosting.Nodes;

/// <summary>
/// The nodes of the own role, with oneself as <see cref="ServingLease"/> sees it: work goes on while etcd is away, and is fenced by the
/// stores. Owns nothing; any thread.
/// </summary>
public sealed class ServingPeers(RolePeers peers, ServingLease lease) : IPeers
{
    /// <inheritdoc/>
    public long Self => lease.Incarnation;

    /// <inheritdoc/>
    public IReadOnlyCollection<long> Live => peers.Live;

    /// <inheritdoc/>
    public bool IsFirstFor(string work) => peers.IsFirstFor(work);

    /// <inheritdoc/>
    public event Action? Changed
    {
        add => peers.Changed += value;
        remove => peers.Changed -= value;
    }
}
