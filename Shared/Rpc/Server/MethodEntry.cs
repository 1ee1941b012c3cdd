using Google.Protobuf;
using PushSystem.Rpc.Calls;

namespace PushSystem.Rpc.Server;

/// <summary>A method with its handler. Immutable; thread-safe.</summary>
internal abstract class MethodEntry(ushort id, string name)
{
    public ushort Id => id;

    public string Name => name;

    /// <summary>A call object of the method's own kind.</summary>
    public abstract ServerCall Rent();
}

internal sealed class MethodEntry<TRequest, TReply>(RpcMethod<TRequest, TReply> method, Func<TRequest, RpcContext, ValueTask<TReply>> handler)
    : MethodEntry(method.Id, method.Name)
    where TRequest : class, IMessage<TRequest>, IBufferMessage
    where TReply : class, IMessage<TReply>, IBufferMessage
{
    public MessageParser<TRequest> Parser => method.RequestParser;

    public Func<TRequest, RpcContext, ValueTask<TReply>> Handler => handler;

    public override ServerCall Rent()
    {
        var call = CallPool<ServerCall<TRequest, TReply>>.Rent() ?? new ServerCall<TRequest, TReply>();
        call.Method = this;
        return call;
    }
}

internal sealed class RawMethodEntry(RpcRawMethod method, RpcRawHandler handler) : MethodEntry(method.Id, method.Name)
{
    public RpcRawHandler Handler => handler;

    public override ServerCall Rent()
    {
        var call = CallPool<RawServerCall>.Rent() ?? new RawServerCall();
        call.Method = this;
        return call;
    }
}
