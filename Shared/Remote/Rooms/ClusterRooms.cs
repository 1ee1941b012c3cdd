using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Rpc;

namespace PushSystem.Remote.Rooms;

/// <summary>
/// <see cref="IRoomDirectory"/> as etcd shows the rooms, each reached over its link.
/// Owns an immutable view that is made anew with each change; any thread; disposing it ends its subscription.
/// </summary>
public sealed class ClusterRooms : IRoomDirectory, IDisposable
{
    private readonly INodeDirectory _nodes;
    private readonly INodeLinks _links;
    private readonly RemoteOptions _options;
    private volatile View _view;

    /// <summary>Follows the directory from now on.</summary>
    public ClusterRooms(INodeLinks links, INodeDirectory nodes, RemoteOptions options)
    {
        options.Validate();
        (_links, _nodes, _options) = (links, nodes, options);
        _view = View.Empty;
        nodes.Changed += OnChanged;
        _view = Make();
    }

    /// <inheritdoc/>
    public IReadOnlyList<RoomInfo> Rooms => _view.Rooms;

    /// <inheritdoc/>
    public long Revision => _nodes.Revision;

    /// <summary>Told after the rooms changed. Handlers must not wait and must not throw.</summary>
    public event Action? Changed;

    /// <inheritdoc/>
    public IRoomNode? Find(string room, long incarnation) =>
        _view.Nodes.TryGetValue(room, out var node) && node.Incarnation == incarnation ? node : null;

    /// <inheritdoc/>
    public void Dispose() => _nodes.Changed -= OnChanged;

    private void OnChanged(string role)
    {
        if (role != Roles.Room)
            return;
        _view = Make();
        Changed?.Invoke();
    }

    private View Make()
    {
        var before = _view.Nodes;
        var rooms = new List<RoomInfo>();
        var nodes = new Dictionary<string, RemoteRoomNode>(StringComparer.Ordinal);
        foreach (var node in _nodes.Of(Roles.Room))
        {
            // A room whose details cannot be read gets no clients, but those that it has can be reached.
            if (RoomDetails.Read(node) is { } info)
                rooms.Add(info);
            var address = LinkName.Address(node);
            nodes[node.Id] = before.TryGetValue(node.Id, out var known) && known.Incarnation == node.Incarnation && known.Address == address
                ? known
                : new RemoteRoomNode(_links, address, node.Incarnation, _options.RoomTimeout);
        }
        return new View(rooms, nodes);
    }

    private sealed record View(IReadOnlyList<RoomInfo> Rooms, Dictionary<string, RemoteRoomNode> Nodes)
    {
        public static View Empty { get; } = new([], []);
    }
}
