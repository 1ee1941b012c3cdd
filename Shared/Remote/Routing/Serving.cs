using Google.Protobuf;
using PushSystem.Contracts;
using PushSystem.Rpc;

namespace PushSystem.Remote.Routing;

/// <summary>Registers handlers so that what contracts throw reaches the caller as a status. Pure.</summary>
internal static class Serving
{
    public static void Serve<TRequest, TReply>(
        this IRpcMethods methods, RpcMethod<TRequest, TReply> method, Func<TRequest, CancellationToken, ValueTask<TReply>> handler)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage =>
        methods.Add(method, async (request, context) =>
        {
            try
            {
                return await handler(request, context.Expired);
            }
            catch (StoreUnavailableException exception)
            {
                throw new RpcException(RpcStatus.StoreUnavailable, exception.Message, exception);
            }
            catch (FencedException exception)
            {
                throw new RpcException(RpcStatus.Fenced, exception.Message, exception);
            }
            catch (ArgumentException exception)
            {
                throw new RpcException(RpcStatus.BadRequest, exception.Message, exception);
            }
            catch (InvalidOperationException exception)
            {
                throw new RpcException(RpcStatus.BadRequest, exception.Message, exception);
            }
            catch (OperationCanceledException exception) when (context.Expired.IsCancellationRequested)
            {
                throw new RpcException(RpcStatus.Expired, "the deadline passed while the call was served", exception);
            }
        });
}
