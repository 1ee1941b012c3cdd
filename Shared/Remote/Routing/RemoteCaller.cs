using Google.Protobuf;
using PushSystem.Contracts;
using PushSystem.Rpc;

namespace PushSystem.Remote.Routing;

/// <summary>
/// Calls the nodes of one role: the first one for the work, and the next when that one certainly did nothing. What a link says becomes
/// what the contracts say: a store that is away, a fence, a wrong argument. Holds no state; any thread; nothing to dispose.
/// </summary>
internal sealed class RemoteCaller(INodeLinks links, NodeRoutes routes, TimeSpan timeout, int attempts, TimeProvider time)
{
    public NodeRoutes Routes => routes;

    /// <summary>The first node for the work. Throws <see cref="StoreUnavailableException"/> when none lives.</summary>
    public IReadOnlyList<NodeAddress> Order(ulong work)
    {
        var order = routes.For(work);
        return order.Count > 0 ? order : throw new StoreUnavailableException($"no {routes.Role} lives");
    }

    /// <param name="method">What to call.</param>
    /// <param name="request">Is not changed.</param>
    /// <param name="work">Whose order of nodes counts.</param>
    /// <param name="isRepeatable">Doing it twice does no harm: then a link that died half way is no reason to give up.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public async ValueTask<TReply> CallAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest request, ulong work, bool isRepeatable, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage
    {
        var order = Order(work);
        var started = time.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            var node = order[(attempt - 1) % order.Count];
            var left = timeout - time.GetElapsedTime(started);
            try
            {
                if (left <= TimeSpan.Zero)
                    throw new RpcException(RpcStatus.Expired, $"{method.Name}: no answer within {timeout}");
                return await links.To(node).CallAsync(method, request, left, cancellationToken);
            }
            catch (RpcException exception) when (attempt < attempts && MayGoOn(exception, isRepeatable))
            {
                // The nodes may have changed meanwhile: the dead one is perhaps gone from the list.
                var now = routes.For(work);
                if (now.Count > 0 && !ReferenceEquals(now, order))
                {
                    order = now;
                    if (order[attempt % order.Count] == node && order.Count > 1)
                        order = [.. order.Where(other => other != node)];
                }
            }
            catch (RpcException exception)
            {
                throw Translate(exception, node, method.Name);
            }
        }
    }

    private static bool MayGoOn(RpcException exception, bool isRepeatable) => exception.Status switch
    {
        RpcStatus.Unreachable or RpcStatus.Stopping or RpcStatus.Fenced => true,
        RpcStatus.LinkLost => isRepeatable,
        // A busy node is not relieved by asking its neighbour for work that is laid out on this one.
        _ => false,
    };

    public static Exception Translate(RpcException exception, NodeAddress node, string method) => exception.Status switch
    {
        RpcStatus.BadRequest => new ArgumentException(exception.Message, exception),
        RpcStatus.Fenced => new FencedException(exception.Message),
        _ => new StoreUnavailableException($"{method} at {node.NodeId}: {exception.Status}: {exception.Message}", exception),
    };
}
