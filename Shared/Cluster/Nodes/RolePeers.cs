using PushSystem.Contracts;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// The own role's part of the node directory. Owns nothing but its subscriptions; any thread; told on the threads of the directory and
/// of the lease. Disposed by whoever made it.
/// </summary>
public sealed class RolePeers : IPeers, IDisposable
{
    private readonly INodeDirectory _directory;
    private readonly INodeLease _lease;
    private readonly string _role, _id;

    /// <summary>Peers of the node <paramref name="id"/> of <paramref name="role"/>, which holds <paramref name="lease"/>.</summary>
    public RolePeers(INodeDirectory directory, INodeLease lease, string role, string id)
    {
        (_directory, _lease, _role, _id) = (directory, lease, role, id);
        _directory.Changed += OnNodes;
        _lease.Renewed += OnRenewed;
    }

    /// <inheritdoc/>
    public event Action? Changed;

    /// <inheritdoc/>
    public long Self => _lease.Incarnation;

    /// <inheritdoc/>
    public IReadOnlyCollection<long> Live
    {
        get
        {
            var self = Self;
            var live = new List<long>();
            foreach (var node in _directory.Of(_role))
            {
                // The view may lag behind what this process knows of itself.
                if (node.Id != _id || self == 0)
                    live.Add(node.Incarnation);
            }
            if (self != 0)
                live.Add(self);
            return live;
        }
    }

    /// <inheritdoc/>
    public bool IsFirstFor(string work)
    {
        if (Self == 0)
            return false;
        var hash = StableHash.Of(work);
        var own = StableHash.Rank(hash, _id);
        var nodes = _directory.Of(_role);
        // A draining node takes no new work, unless there are only such.
        var anyStays = nodes.Any(node => !node.Draining);
        foreach (var node in nodes)
        {
            if (node.Id == _id)
            {
                if (node.Draining && anyStays)
                    return false;
                continue;
            }
            if (node.Draining && anyStays)
                continue;
            var rank = StableHash.Rank(hash, node.Id);
            if (rank > own || (rank == own && string.CompareOrdinal(node.Id, _id) < 0))
                return false;
        }
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _directory.Changed -= OnNodes;
        _lease.Renewed -= OnRenewed;
    }

    private void OnNodes(string role)
    {
        if (role == _role)
            Changed?.Invoke();
    }

    private void OnRenewed(long incarnation) => Changed?.Invoke();
}
