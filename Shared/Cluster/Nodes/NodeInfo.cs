using System.Text.Json;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// A node as it describes itself in etcd (JSON, members that a reader does not know are kept out of its way). The incarnation is not
/// in the JSON: it is the create_revision of the key.
/// </summary>
public sealed record NodeInfo
{
    /// <summary>Node id, unique within the role.</summary>
    public required string Id { get; init; }
    /// <summary>"room", "center" … : <see cref="Roles"/>.</summary>
    public required string Role { get; init; }
    /// <summary>Unique, growing: the create_revision of the node's key.</summary>
    public long Incarnation { get; init; }
    /// <summary>Where it listens for links.</summary>
    public required string Host { get; init; }
    /// <summary>Where it listens for links; 0 = it takes none.</summary>
    public required int Port { get; init; }
    /// <summary>Blue-green group, "A" or "B".</summary>
    public string Group { get; init; } = "A";
    /// <summary>Version of the program.</summary>
    public string Version { get; init; } = "";
    /// <summary>Told apart when the same id is started twice: random for each process.</summary>
    public string Process { get; init; } = "";
    /// <summary>Gets no new work.</summary>
    public bool Draining { get; init; }
    /// <summary>What only the role's own readers understand: for a room its addresses, region and load.</summary>
    public JsonElement? Details { get; init; }
}

/// <summary>The roles' names.</summary>
public static class Roles
{
    /// <summary>Dispatcher.</summary>
    public const string Dispatcher = "dispatcher";
    /// <summary>Room.</summary>
    public const string Room = "room";
    /// <summary>Register.</summary>
    public const string Register = "register";
    /// <summary>Saver.</summary>
    public const string Saver = "saver";
    /// <summary>Center.</summary>
    public const string Center = "center";
    /// <summary>Coordinator.</summary>
    public const string Coordinator = "coordinator";
    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Dispatcher, Room, Register, Saver, Center, Coordinator];
}

/// <summary>The nodes that live now, as etcd shows them. In memory, thread-safe, never waits.</summary>
public interface INodeDirectory
{
    /// <summary>Revision of etcd that the view is at; 0 = not filled yet.</summary>
    long Revision { get; }

    /// <summary>Nodes of a role, ordered by id; an immutable list that is replaced, never changed.</summary>
    IReadOnlyList<NodeInfo> Of(string role);

    /// <summary>Told after a change of a role's nodes, with the role. Handlers must not wait and must not throw.</summary>
    event Action<string>? Changed;

    /// <summary>Lists again: for whoever meets an incarnation above <see cref="Revision"/>.</summary>
    ValueTask RefreshAsync(CancellationToken cancellationToken);
}

/// <summary>
/// This process in the cluster: its key, bound to its lease. The deadline of the lease is kept by a monotonic clock and counted from
/// before the last successful keepalive was sent.
/// </summary>
public interface INodeLease
{
    /// <summary>The incarnation, or 0 while the deadline has passed or the key is known to be gone. Checked against the clock at each call.</summary>
    long Incarnation { get; }

    /// <summary>The incarnation that was held last, even if it may be lost by now.</summary>
    long LastIncarnation { get; }

    /// <summary>
    /// Told with the new incarnation when the key had been lost and was made anew (a new lease, a new create_revision), in order. The
    /// first registration is not told. Handlers must not wait and must not throw.
    /// </summary>
    event Action<long>? Renewed;

    /// <summary>Changes what the node says of itself. Coalesced: the last one counts; written soon, and again after a loss.</summary>
    void Describe(NodeInfo info);
}
