namespace PushSystem.Rpc.Server;

/// <summary>The links of a server, in the order of their opening. Thread-safe; the lock is never held while a link is closed.</summary>
internal sealed class LinkSet(int maxLinks, int maxPerNode)
{
    private readonly Lock _lock = new();
    private readonly List<ServerConnection> _links = [];
    private volatile ServerConnection[] _view = [];
    private bool _closed;

    public int Count => _view.Length;

    public IReadOnlyList<ServerConnection> All() => _view;

    /// <summary>False when the set is closed or full. <paramref name="replaced"/> is the node's oldest link if it has too many.</summary>
    public bool TryAdd(ServerConnection link, out ServerConnection? replaced)
    {
        lock (_lock)
        {
            replaced = TooMany(link.Peer.NodeId);
            if (_closed || replaced is null && _links.Count >= maxLinks)
                return false;
            _links.Add(link);
            _view = [.. _links];
            return true;
        }
    }

    /// <summary>True when a link of the node would be taken now.</summary>
    public bool HasRoom(string nodeId)
    {
        lock (_lock)
            return !_closed && (_links.Count < maxLinks || TooMany(nodeId) is not null);
    }

    public bool Remove(ServerConnection link)
    {
        lock (_lock)
        {
            if (!_links.Remove(link))
                return false;
            _view = [.. _links];
            return true;
        }
    }

    /// <summary>Takes no further links and returns those there are.</summary>
    public List<ServerConnection> Close()
    {
        lock (_lock)
        {
            _closed = true;
            return [.. _links];
        }
    }

    /// <summary>The oldest link of a node that has all that it may have.</summary>
    private ServerConnection? TooMany(string nodeId) =>
        _links.Count(other => other.Peer.NodeId == nodeId) >= maxPerNode ? _links.Find(other => other.Peer.NodeId == nodeId) : null;
}
