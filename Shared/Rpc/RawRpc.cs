using System.Buffers;
using PushSystem.Rpc.Calls;

namespace PushSystem.Rpc;

/// <summary>A method whose messages are bytes that Rpc does not look into. Shares the numbers with <see cref="RpcMethod{TRequest, TReply}"/>.</summary>
public sealed record RpcRawMethod(ushort Id, string Name);

/// <summary>Calls a node with bytes: nothing is allocated. The callers of <see cref="INodeLinks.To"/> implement it too. Thread-safe.</summary>
public interface IRpcRawCaller
{
    /// <summary>
    /// As <see cref="IRpcCaller.CallAsync{TRequest, TReply}"/>. The request is copied before the method returns. The reply must be
    /// disposed, once; its bytes must not be used afterwards.
    /// </summary>
    ValueTask<RpcReply> CallAsync(RpcRawMethod method, ReadOnlySpan<byte> request, TimeSpan timeout, CancellationToken cancellationToken);
}

/// <summary>The bytes of a reply, lent until <see cref="Dispose"/>. Not thread-safe; a copy is the same loan.</summary>
public readonly struct RpcReply : IDisposable
{
    private readonly RawCall? _call;
    private readonly short _version;

    internal RpcReply(RawCall call, short version)
    {
        _call = call;
        _version = version;
    }

    /// <summary>The bytes. Throws <see cref="ObjectDisposedException"/> after Dispose.</summary>
    public ReadOnlyMemory<byte> Body => _call is null ? default : _call.Body(_version);

    /// <summary>Gives the bytes back. A second time does nothing.</summary>
    public void Dispose() => _call?.Return(_version);
}

/// <summary>
/// Answers a call of a raw method: reads <paramref name="request"/> and writes <paramref name="reply"/>, both only until the task ends.
/// </summary>
public delegate ValueTask RpcRawHandler(ReadOnlyMemory<byte> request, IBufferWriter<byte> reply, RpcContext context);
