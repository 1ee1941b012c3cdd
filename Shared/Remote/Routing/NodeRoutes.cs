using System.Collections.Concurrent;
using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Rpc;

namespace PushSystem.Remote.Routing;

/// <summary>
/// The nodes of one role, ordered for each piece of work by how much they want it (rendezvous hashing), draining ones last. Everybody
/// who sees the same nodes gets the same order.
/// Owns a table that is made anew when the nodes change; any thread; disposing it ends its subscription.
/// </summary>
public sealed class NodeRoutes : IDisposable
{
    private readonly INodeDirectory _nodes;
    private readonly string _role;
    private volatile Table _table;

    /// <summary>Follows the directory from now on.</summary>
    public NodeRoutes(INodeDirectory nodes, string role)
    {
        (_nodes, _role) = (nodes, role);
        nodes.Changed += OnChanged;
        _table = new Table(nodes.Of(role));
    }

    /// <summary>The role whose nodes these are.</summary>
    public string Role => _role;

    /// <summary>The nodes for the work, the one that should do it first. Empty when none lives.</summary>
    public IReadOnlyList<NodeAddress> For(ulong work) => _table.For(work);

    /// <summary>Every node of the role that takes calls.</summary>
    public IReadOnlyList<NodeAddress> All => _table.All;

    /// <inheritdoc/>
    public void Dispose() => _nodes.Changed -= OnChanged;

    private void OnChanged(string role)
    {
        if (role == _role)
            _table = new Table(_nodes.Of(role));
    }

    private sealed class Table
    {
        // Work is a partition or an app, so there are few of them; beyond this the order is computed each time.
        private const int MaxKept = 4_096;

        private readonly (NodeAddress Address, ulong Hash, bool Draining)[] _nodes;
        private readonly ConcurrentDictionary<ulong, IReadOnlyList<NodeAddress>> _orders = new();

        public Table(IReadOnlyList<NodeInfo> nodes)
        {
            _nodes = [.. nodes.Where(node => node.Port > 0)
                .Select(node => (LinkName.Address(node), StableHash.Of(node.Id), node.Draining))];
            All = [.. _nodes.Select(node => node.Address)];
        }

        public IReadOnlyList<NodeAddress> All { get; }

        public IReadOnlyList<NodeAddress> For(ulong work)
        {
            if (_orders.TryGetValue(work, out var known))
                return known;
            NodeAddress[] order = [.. _nodes.OrderBy(node => node.Draining).ThenByDescending(node => StableHash.Pair(work, node.Hash)).Select(node => node.Address)];
            if (_orders.Count < MaxKept)
                _orders.TryAdd(work, order);
            return order;
        }
    }
}
