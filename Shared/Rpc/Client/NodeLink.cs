using Google.Protobuf;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Calls;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Client;

/// <summary>
/// The link to one address, over its connections. It owns the current connection and the task that opens it; any thread calls; NodeLinks
/// disposes it.
/// Idle: nothing is open; the next call opens. Opening: calls wait for the attempt, up to MaxInFlight. Retrying: the last attempt failed;
/// attempts go on in the background while anybody asks, and calls are answered Unreachable at once. Open: calls go through.
/// </summary>
internal sealed partial class NodeLink(NodeAddress address, NodeLinks owner) : IRpcCaller, IRpcRawCaller
{
    private static readonly TimeSpan LongestTimeout = TimeSpan.FromMilliseconds(NodeFrame.MaxRemaining);

    private readonly Lock _lock = new();
    private volatile ClientConnection? _connection;
    private TaskCompletionSource<ClientConnection>? _opening;
    private Task _loop = Task.CompletedTask;
    private string _lastError = "";
    private int _failures;
    private int _waiting;
    private long _lastAsked = owner.Clock.Now;
    private bool _retired;
    /// <summary>A call came since the last tick.</summary>
    private bool _asked;

    public NodeAddress Address => address;

    public ClientConnection? Connection => _connection;

    public ValueTask<TReply> CallAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest request, TimeSpan timeout, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage
    {
        var connection = _connection;
        if (connection is null || timeout <= TimeSpan.Zero || cancellationToken.IsCancellationRequested)
            return CallLaterAsync(method, request, timeout, cancellationToken);
        return Call(connection, method, request, timeout, cancellationToken);
    }

    public ValueTask<RpcReply> CallAsync(RpcRawMethod method, ReadOnlySpan<byte> request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var connection = _connection;
        if (connection is null || timeout <= TimeSpan.Zero || cancellationToken.IsCancellationRequested)
            return CallLaterAsync(method, request.ToArray(), timeout, cancellationToken);
        return Call(connection, method, request, timeout, cancellationToken);
    }

    private ValueTask<TReply> Call<TRequest, TReply>(
        ClientConnection connection, RpcMethod<TRequest, TReply> method, TRequest request, TimeSpan timeout, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage
    {
        var stats = owner.Metrics.Method(method.Id, method.Name);
        var size = request.CalculateSize();
        if (size > connection.MaxFrameBytes - NodeFrame.RequestHeaderBytes)
            return ValueTask.FromException<TReply>(TooLarge(stats, size, connection.MaxFrameBytes));
        var call = PendingCall<TReply>.Rent(method.ReplyParser);
        request.WriteTo(call.Begin(connection, stats, size, owner.Clock.Now, cancellationToken));
        return Start(connection, call, method.Id, timeout) is { } refused
            ? ValueTask.FromException<TReply>(refused)
            : new ValueTask<TReply>(call, call.Version);
    }

    private ValueTask<RpcReply> Call(
        ClientConnection connection, RpcRawMethod method, ReadOnlySpan<byte> request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var stats = owner.Metrics.Method(method.Id, method.Name);
        if (request.Length > connection.MaxFrameBytes - NodeFrame.RequestHeaderBytes)
            return ValueTask.FromException<RpcReply>(TooLarge(stats, request.Length, connection.MaxFrameBytes));
        var call = RawCall.Rent();
        request.CopyTo(call.Begin(connection, stats, request.Length, owner.Clock.Now, cancellationToken));
        return Start(connection, call, method.Id, timeout) is { } refused
            ? ValueTask.FromException<RpcReply>(refused)
            : new ValueTask<RpcReply>(call, call.Version);
    }

    private RpcException? Start(ClientConnection connection, PendingCall call, ushort method, TimeSpan timeout)
    {
        if (!_asked)
            _asked = true;
        if (timeout > LongestTimeout)
            timeout = LongestTimeout;
        // Rounded up: a call that has time left must not arrive as expired.
        var remaining = (uint)((timeout.Ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond);
        var stats = call.Stats;
        var refused = connection.Start(call, method, call.StartedAt + owner.Clock.Ticks(timeout), remaining);
        if (refused is null)
            return null;
        stats.Ended(refused.Status, 0);
        call.Abandon();
        return refused;
    }

    private static RpcException TooLarge(MethodStats stats, int size, int limit)
    {
        stats.Ended(RpcStatus.BadRequest, 0);
        return new RpcException(RpcStatus.BadRequest, $"the request has {size} bytes; with its header it exceeds the peer's limit of {limit} (Rpc:MaxFrameBytes)");
    }

    private async ValueTask<TReply> CallLaterAsync<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, TRequest request, TimeSpan timeout, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TReply : class, IMessage<TReply>, IBufferMessage
    {
        var (connection, rest) = await OpenAsync(owner.Metrics.Method(method.Id, method.Name), timeout, cancellationToken);
        return await Call(connection, method, request, rest, cancellationToken);
    }

    private async ValueTask<RpcReply> CallLaterAsync(RpcRawMethod method, byte[] request, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var (connection, rest) = await OpenAsync(owner.Metrics.Method(method.Id, method.Name), timeout, cancellationToken);
        return await Call(connection, method, request, rest, cancellationToken);
    }
}
