using PushSystem.Cluster.Nodes;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Routing;

/// <summary>
/// Tells all nodes of a role that an app has new work, so that its owner need not wait for its next look. A lost wake-up costs that wait
/// and nothing else, so it is sent once and not waited for longer than its time. Owns its view of the nodes; any thread.
/// </summary>
public sealed class WakeUps : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    private readonly INodeLinks _links;
    private readonly string _self;
    private readonly NodeRoutes _routes;
    private readonly RpcMethod<P.AppName, P.Empty> _method;

    private WakeUps(INodeLinks links, INodeDirectory nodes, string role, string self, RpcMethod<P.AppName, P.Empty> method)
    {
        (_links, _self, _method) = (links, LinkName.Of(role, self), method);
        _routes = new NodeRoutes(nodes, role);
    }

    /// <summary>For coordinators: events of an app wait. <paramref name="self"/> is the own node id, which is left out.</summary>
    public static WakeUps OfCoordinators(INodeLinks links, INodeDirectory nodes, string self) =>
        new(links, nodes, Roles.Coordinator, self, NodeMethods.WakeEvents);

    /// <summary>For centers: an app's tasks changed.</summary>
    public static WakeUps OfCenters(INodeLinks links, INodeDirectory nodes, string self) =>
        new(links, nodes, Roles.Center, self, NodeMethods.WakeTasks);

    /// <summary>Tells the others. Never throws for their sake.</summary>
    public async ValueTask WakeAsync(string app, CancellationToken cancellationToken)
    {
        var call = new P.AppName { App = app };
        foreach (var node in _routes.All)
        {
            if (node.NodeId == _self)
                continue;
            try
            {
                await _links.To(node).CallAsync(_method, call, Limit, cancellationToken);
            }
            catch (RpcException)
            {
                // It looks by itself from time to time.
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _routes.Dispose();
}
