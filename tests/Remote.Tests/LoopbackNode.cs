using Google.Protobuf;
using PushSystem.Rpc;

namespace PushSystem.Remote.Tests;

/// <summary>
/// Nodes without a network: a call is written to bytes, read again, handled, and its reply likewise, so that what the messages do
/// not carry is lost here as well. A test may let a node refuse.
/// </summary>
internal sealed class LoopbackNode : INodeLinks, IRpcMethods
{
    private readonly Dictionary<ushort, Func<byte[], RpcContext, ValueTask<byte[]>>> _handlers = [];

    /// <summary>Which node was called with what, in order.</summary>
    public List<(string Node, string Method)> Calls { get; } = [];

    /// <summary>Decides before a call is handled (true) or after it (false) whether it fails; null = it does not.</summary>
    public Func<string, bool, RpcStatus?> Fault { get; set; } = (_, _) => null;

    public IRpcCaller To(NodeAddress address) => new Caller(this, address.NodeId);

    public void Add<TRequest, TReply>(RpcMethod<TRequest, TReply> method, Func<TRequest, RpcContext, ValueTask<TReply>> handler)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage =>
        _handlers.Add(method.Id, async (bytes, context) => (await handler(method.RequestParser.ParseFrom(bytes), context)).ToByteArray());

    private sealed class Caller(LoopbackNode node, string id) : IRpcCaller
    {
        public async ValueTask<TReply> CallAsync<TRequest, TReply>(
            RpcMethod<TRequest, TReply> method, TRequest request, TimeSpan timeout, CancellationToken cancellationToken)
            where TRequest : class, IMessage<TRequest>, IBufferMessage
            where TReply : class, IMessage<TReply>, IBufferMessage
        {
            lock (node.Calls)
                node.Calls.Add((id, method.Name));
            if (node.Fault(id, true) is { } before)
                throw new RpcException(before, "as the test wants it");
            var reply = await node._handlers[method.Id](request.ToByteArray(), new RpcContext("caller", cancellationToken));
            if (node.Fault(id, false) is { } after)
                throw new RpcException(after, "as the test wants it");
            return method.ReplyParser.ParseFrom(reply);
        }
    }
}
