namespace PushSystem.Cluster.Nodes;

/// <summary>Another process is registered under this node's id and lives. This one must not join.</summary>
public sealed class DuplicateNodeException(string role, string id, string message) : Exception(message)
{
    /// <summary>Role of the node.</summary>
    public string Role { get; } = role;

    /// <summary>Id that is taken.</summary>
    public string Id { get; } = id;
}
