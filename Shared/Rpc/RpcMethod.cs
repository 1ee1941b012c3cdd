using Google.Protobuf;

namespace PushSystem.Rpc;

/// <summary>
/// A method of a node: its number on the wire (unique over all components, never reused), its name for logs and metrics, and how
/// to read both messages. Immutable.
/// </summary>
public sealed record RpcMethod<TRequest, TReply>(ushort Id, string Name, MessageParser<TRequest> RequestParser, MessageParser<TReply> ReplyParser)
    where TRequest : class, IMessage<TRequest>, IBufferMessage
    where TReply : class, IMessage<TReply>, IBufferMessage;

/// <summary>Calls one node. Thread-safe; never queues without bound.</summary>
public interface IRpcCaller
{
    /// <summary>
    /// Calls and waits for the reply. The time that is left travels with the call. Throws <see cref="RpcException"/>, or
    /// <see cref="OperationCanceledException"/> when cancelled (the outcome is unknown then if it had been sent).
    /// </summary>
    ValueTask<TReply> CallAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest request, TimeSpan timeout, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage;
}

/// <summary>Where a node listens for links, and who must answer there: another node that answers at the address is refused.</summary>
public readonly record struct NodeAddress(string NodeId, string Host, int Port);

/// <summary>One link per address, opened with the first call and kept. Thread-safe.</summary>
public interface INodeLinks
{
    /// <summary>The caller for a node; cheap, to be asked for each time.</summary>
    IRpcCaller To(NodeAddress address);
}

/// <summary>What a handler knows of a call.</summary>
public readonly record struct RpcContext(string PeerNodeId, CancellationToken Expired);

/// <summary>The methods that a node answers. Filled before the server starts, immutable afterwards.</summary>
public interface IRpcMethods
{
    /// <summary>
    /// Adds a method. The handler runs on a thread-pool thread, many at once. It may throw <see cref="RpcException"/>; any other
    /// exception is answered with <see cref="RpcStatus.Failed"/> and logged. Throws <see cref="ArgumentException"/> when the number is taken.
    /// </summary>
    void Add<TRequest, TReply>(RpcMethod<TRequest, TReply> method, Func<TRequest, RpcContext, ValueTask<TReply>> handler)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage;
}
