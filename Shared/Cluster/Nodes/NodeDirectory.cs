using System.Collections.Frozen;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// The living nodes by role. Owns the mirror of the nodes' keys and the lists made from it.
/// Any thread reads; the mirror's loop writes and raises <see cref="Changed"/>: between etcd's event and the changed view there is only
/// work in memory.
/// Disposed by whoever made it (not from a handler).
/// </summary>
public sealed class NodeDirectory : INodeDirectory, IAsyncDisposable
{
    private readonly string _prefix;
    private readonly IEtcdMirror _mirror;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, NodeInfo> _nodes = new(StringComparer.Ordinal);
    private volatile View _view = new(0, FrozenDictionary<string, IReadOnlyList<NodeInfo>>.Empty);
    private EtcdSnapshot _applied = EtcdSnapshot.Empty;

    /// <summary>Begins to follow the nodes; empty until <see cref="Ready"/>.</summary>
    public NodeDirectory(IEtcd etcd, ClusterKeys keys, ILogger<NodeDirectory> logger)
    {
        (_prefix, _logger) = (keys.Nodes, logger);
        _mirror = etcd.Mirror(keys.Nodes);
        _mirror.Changed += (_, after) => Apply(after);
        Apply(_mirror.Current);
    }

    /// <inheritdoc/>
    public event Action<string>? Changed;

    /// <summary>Completes when the view was filled for the first time.</summary>
    public Task Ready => _mirror.Ready;

    /// <inheritdoc/>
    public long Revision => Math.Max(_view.Revision, _mirror.Current is { } current && ReferenceEquals(current.Entries, _view.Entries) ? current.Revision : 0);

    /// <inheritdoc/>
    public IReadOnlyList<NodeInfo> Of(string role) => _view.ByRole.GetValueOrDefault(role, []);

    /// <inheritdoc/>
    public ValueTask RefreshAsync(CancellationToken cancellationToken) => _mirror.RefreshAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _mirror.DisposeAsync();

    private void Apply(EtcdSnapshot after)
    {
        List<string> roles;
        lock (_lock)
        {
            if (after.Revision <= _applied.Revision)
                return;
            roles = Change(_applied, after);
            _applied = after;
            var byRole = _view.ByRole;
            if (roles.Count > 0)
            {
                byRole = _nodes.Values.GroupBy(node => node.Role, StringComparer.Ordinal).ToFrozenDictionary(
                    group => group.Key, group => (IReadOnlyList<NodeInfo>)[.. group.OrderBy(node => node.Id, StringComparer.Ordinal)], StringComparer.Ordinal);
            }
            _view = new View(after.Revision, byRole) { Entries = after.Entries };
        }
        foreach (var role in roles)
            Tell(role);
    }

    /// <summary>Takes over what differs; returns the roles that changed.</summary>
    private List<string> Change(EtcdSnapshot before, EtcdSnapshot after)
    {
        List<string> roles = [];
        foreach (var (key, entry) in after.Entries)
        {
            if (before.Entries.TryGetValue(key, out var known) && ReferenceEquals(known, entry))
                continue;
            if (TryRead(key, entry) is { } node)
                Touch(roles, _nodes[key] = node);
            // An unreadable description of the same incarnation says no more than that the node lives: what it said before stays.
            else if (_nodes.TryGetValue(key, out var old) && old.Incarnation != entry.CreateRevision && _nodes.Remove(key))
                Touch(roles, old);
        }
        foreach (var key in before.Entries.Keys)
        {
            if (!after.Entries.ContainsKey(key) && _nodes.Remove(key, out var gone))
                Touch(roles, gone);
        }
        return roles;
    }

    private NodeInfo? TryRead(string key, EtcdEntry entry)
    {
        try
        {
            var node = NodeInfoJson.Read(entry.Value, entry.CreateRevision);
            return key == $"{_prefix}{node.Role}/{node.Id}" ? node : throw new FormatException($"it says that it is {node.Role}/{node.Id}");
        }
        catch (FormatException exception)
        {
            ClusterLog.BadNode(_logger, key, exception.Message);
            return null;
        }
    }

    private void Tell(string role)
    {
        foreach (var handler in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                handler(role);
            }
            catch (Exception exception)
            {
                ClusterLog.HandlerFailed(_logger, _prefix + role, exception);
            }
        }
    }

    private static void Touch(List<string> roles, NodeInfo node)
    {
        if (!roles.Contains(node.Role))
            roles.Add(node.Role);
    }

    private sealed record View(long Revision, FrozenDictionary<string, IReadOnlyList<NodeInfo>> ByRole)
    {
        public IReadOnlyDictionary<string, EtcdEntry>? Entries { get; init; }
    }
}
