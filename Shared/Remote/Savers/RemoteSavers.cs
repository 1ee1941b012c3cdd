using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Remote.Routing;
using PushSystem.Rpc;

namespace PushSystem.Remote.Savers;

/// <summary>
/// Everything that savers store, as the other components see it.
/// Owns the order of the savers; any thread; disposing it ends its subscription to the nodes, not the links.
/// </summary>
public sealed class RemoteSavers : IDisposable
{
    private readonly NodeRoutes _routes;

    /// <param name="links">Carries the calls.</param>
    /// <param name="nodes">Where the savers are.</param>
    /// <param name="partitions">Number of mailbox partitions: the cluster's layout.</param>
    /// <param name="options">Checked here.</param>
    /// <param name="time">Counts down the calls' time.</param>
    public RemoteSavers(INodeLinks links, INodeDirectory nodes, int partitions, RemoteOptions options, TimeProvider time)
    {
        options.Validate();
        ArgumentOutOfRangeException.ThrowIfLessThan(partitions, 1);
        _routes = new NodeRoutes(nodes, Roles.Saver);
        var caller = new RemoteCaller(links, _routes, options.StoreTimeout, options.Attempts, time);
        Mailboxes = new RemoteMailboxes(caller, partitions);
        Broadcasts = new RemoteBroadcastLog(caller);
        Multicasts = new RemoteMulticasts(caller);
        Events = new RemoteEventQueue(caller);
        Facts = new RemoteFactStore(caller);
        Idempotency = new RemoteIdempotencyStore(caller);
        Claims = new RemoteWorkClaims(caller);
    }

    /// <summary>The mailboxes.</summary>
    public IMailboxes Mailboxes { get; }
    /// <summary>The broadcast log.</summary>
    public IBroadcastLog Broadcasts { get; }
    /// <summary>Multicasts.</summary>
    public IMulticasts Multicasts { get; }
    /// <summary>Events for webhooks.</summary>
    public IEventQueue Events { get; }
    /// <summary>Facts.</summary>
    public IFactStore Facts { get; }
    /// <summary>Kept answers.</summary>
    public IIdempotencyStore Idempotency { get; }
    /// <summary>Claims of work.</summary>
    public IWorkClaims Claims { get; }

    /// <summary>Why no saver can be asked, or null: for the health page.</summary>
    public string? Failure => _routes.All.Count > 0 ? null : "no saver lives";

    /// <inheritdoc/>
    public void Dispose() => _routes.Dispose();
}
