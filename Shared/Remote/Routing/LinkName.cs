using PushSystem.Cluster.Nodes;
using PushSystem.Rpc;

namespace PushSystem.Remote.Routing;

/// <summary>By which name a node is known on its links: "role/id", because ids are unique within a role only. Pure.</summary>
public static class LinkName
{
    /// <summary>The name of a node.</summary>
    public static string Of(string role, string id) => $"{role}/{id}";

    /// <summary>Where a node is reached, and who must answer there.</summary>
    public static NodeAddress Address(NodeInfo node) => new(Of(node.Role, node.Id), node.Host, node.Port);
}
