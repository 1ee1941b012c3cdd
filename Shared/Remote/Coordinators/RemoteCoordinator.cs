using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Wire;
using PushSystem.Rpc;
using P = PushSystem.Remote.Proto;

namespace PushSystem.Remote.Coordinators;

/// <summary>
/// <see cref="ICoordinator"/> of the cluster: an app's calls go to the coordinator that comes first for it; one that does not own the
/// app says so and the next is asked.
/// Owns the order of the coordinators; any thread; disposing it ends its subscription to the nodes, not the links.
/// </summary>
public sealed class RemoteCoordinator : ICoordinator, IDisposable
{
    private readonly NodeRoutes _routes;
    private readonly RemoteCaller _coordinators;

    /// <param name="links">Carries the calls.</param>
    /// <param name="nodes">Where the coordinators are.</param>
    /// <param name="options">Checked here.</param>
    /// <param name="time">Counts down the calls' time.</param>
    public RemoteCoordinator(INodeLinks links, INodeDirectory nodes, RemoteOptions options, TimeProvider time)
    {
        options.Validate();
        _routes = new NodeRoutes(nodes, Roles.Coordinator);
        _coordinators = new RemoteCaller(links, _routes, options.CoordinatorTimeout, options.Attempts, time);
    }

    /// <summary>Why no coordinator can be asked, or null: for the health page.</summary>
    public string? Failure => _routes.All.Count > 0 ? null : "no coordinator lives";

    /// <inheritdoc/>
    public async ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(message);
        var call = new P.Upstream
        {
            User = CommonWire.To(message.Key), Device = message.Device, MessageId = message.MessageId, Type = message.Type,
            Kind = (uint)message.Kind, Payload = CommonWire.Bytes(message.Payload), ReceivedAt = message.ReceivedAt,
        };
        // The message id makes it safe to repeat.
        var answer = await CallAsync(NodeMethods.Submit, call, message.Key.App, isRepeatable: true, cancellationToken);
        return new UpstreamReply((ReasonCode)answer.Code, answer.RetryAfterMilliseconds);
    }

    /// <inheritdoc/>
    public async ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(changes);
        foreach (var app in changes.GroupBy(change => change.Key.App, StringComparer.Ordinal))
        {
            var call = new P.PresenceList();
            foreach (var change in app)
            {
                call.Changes.Add(new P.Presence
                {
                    User = CommonWire.To(change.Key), Online = change.Online, Generation = change.Generation, Device = change.Device,
                    Room = change.Room, At = change.At,
                });
            }
            // The generation makes it safe to repeat.
            await CallAsync(NodeMethods.Notify, call, app.Key, isRepeatable: true, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken) =>
        (await CallAsync(NodeMethods.KickUser, CommonWire.To(key), key.App, isRepeatable: false, cancellationToken)).Value;

    /// <inheritdoc/>
    public void Dispose() => _routes.Dispose();

    // The contract's caller knows a store that is away, not fences: during a hand-over nobody owns the app for a moment.
    private async ValueTask<TReply> CallAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest call, string app, bool isRepeatable, CancellationToken cancellationToken)
        where TRequest : class, Google.Protobuf.IMessage<TRequest>, Google.Protobuf.IBufferMessage
        where TReply : class, Google.Protobuf.IMessage<TReply>, Google.Protobuf.IBufferMessage
    {
        try
        {
            return await _coordinators.CallAsync(method, call, Work(app), isRepeatable, cancellationToken);
        }
        catch (FencedException exception)
        {
            throw new StoreUnavailableException($"no coordinator owns app '{app}' at the moment: {exception.Message}", exception);
        }
    }

    internal static ulong Work(string app) => StableHash.Pair(StableHash.Of("events"), StableHash.Of(app));
}
