using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;
using Google.Protobuf;
using PushSystem.Rpc.Client;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Calls;

/// <summary>
/// A call as its caller sees it: a pooled IValueTaskSource. It owns its buffer (the request's frame, later the reply's body). The caller's
/// thread fills it; then whoever claims it from the in-flight table completes it; the awaiting thread takes the result, which returns it.
/// What it does not support: awaiting twice, or reading the result before the end (both throw InvalidOperationException), blocking on the
/// ValueTask, flowing the execution context by itself (async methods do). A ValueTask that is never awaited costs one object that the
/// collector takes; nothing else leaks.
/// </summary>
internal abstract class PendingCall : PumpItem
{
    private ManualResetValueTaskSourceCore<bool> _core;
    private ClientConnection _connection = null!;
    private CancellationTokenRegistration _registration;
    private string? _error;

    protected CallBuffer Buffer = new();

    /// <summary>How it ended, once it is set.</summary>
    public RpcStatus Status { get; private set; }

    /// <summary>Body of the reply.</summary>
    protected ReadOnlyMemory<byte> Reply => Buffer.Bytes.AsMemory(0, Length);

    public MethodStats Stats { get; private set; } = null!;

    /// <summary>Id in the in-flight table.</summary>
    public long Id { get; set; }

    /// <summary>When the call began, in the clock's ticks.</summary>
    public long StartedAt { get; private set; }

    /// <summary>Bytes of the request's frame, then of the reply's body.</summary>
    public int Length { get; private set; }

    /// <summary>What the call counts for in the link's limit.</summary>
    public long Charge { get; set; }

    public CancellationToken Cancellation { get; private set; }

    public short Version => _core.Version;

    public Span<byte> Frame => Buffer.Bytes.AsSpan(0, Length);

    /// <summary>Room for the body of a request whose frame will have <paramref name="bodyLength"/> bytes more than its header.</summary>
    public Span<byte> Begin(ClientConnection connection, MethodStats stats, int bodyLength, long now, CancellationToken cancellationToken)
    {
        _connection = connection;
        Stats = stats;
        StartedAt = now;
        Cancellation = cancellationToken;
        Length = NodeFrame.RequestHeaderBytes + bodyLength;
        return Buffer.Renew(Length).AsSpan(NodeFrame.RequestHeaderBytes, bodyLength);
    }

    /// <summary>Called after the call was put into the table. A call that ends before is still ended once.</summary>
    public void WatchCancellation()
    {
        if (Cancellation.CanBeCanceled)
            _registration = Cancellation.UnsafeRegister(static state => ((PendingCall)state!).OnCancelled(), this);
    }

    /// <summary>Completes a call that was claimed. <see cref="Run"/> comes next.</summary>
    public void Set(RpcStatus status, string? error)
    {
        Status = status;
        _error = error;
    }

    /// <summary>Completes a call that was claimed with an answer.</summary>
    public void SetReply(ReadOnlySpan<byte> body)
    {
        Status = RpcStatus.Ok;
        body.CopyTo(Buffer.Renew(body.Length));
        Length = body.Length;
    }

    /// <summary>Wakes the caller, on this thread.</summary>
    public override void Run() => _core.SetResult(true);

    /// <summary>Gives the object back without a result: its ValueTask was never handed out.</summary>
    public abstract void Abandon();

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    /// <summary>Throws unless the call has ended and <paramref name="token"/> is the current one; ends the watch on cancellation.</summary>
    protected void TakeResult(short token)
    {
        _core.GetResult(token);
        // Waits for a callback that runs on another thread, which must not meet the next call.
        _registration.Dispose();
        _registration = default;
    }

    protected bool IsCurrent(short token) => _core.Version == token;

    protected Exception Failure() => Cancellation.IsCancellationRequested && Status == CancelledByCaller
        ? new OperationCanceledException(Cancellation)
        : new RpcException(Status, _error ?? $"the call ended with {Status}");

    /// <summary>Before the object goes back to its pool.</summary>
    protected void Reset()
    {
        _core.Reset();
        _connection = null!;
        Stats = null!;
        _error = null;
        Cancellation = default;
        Buffer.Release();
    }

    /// <summary>Never travels.</summary>
    public const RpcStatus CancelledByCaller = (RpcStatus)255;

    private void OnCancelled() => _connection.Cancel(this);
}

/// <summary>A call of a typed method. The awaiting thread reads the reply.</summary>
internal sealed class PendingCall<TReply> : PendingCall, IValueTaskSource<TReply>
    where TReply : class, IMessage<TReply>, IBufferMessage
{
    private MessageParser<TReply> _parser = null!;

    public static PendingCall<TReply> Rent(MessageParser<TReply> parser)
    {
        var call = CallPool<PendingCall<TReply>>.Rent() ?? new PendingCall<TReply>();
        call._parser = parser;
        return call;
    }

    public TReply GetResult(short token)
    {
        TakeResult(token);
        try
        {
            return Status == RpcStatus.Ok ? _parser.ParseFrom(Reply.Span) : throw Failure();
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new RpcException(RpcStatus.Failed, $"the reply cannot be read: {e.Message}", e);
        }
        finally
        {
            Abandon();
        }
    }

    public override void Abandon()
    {
        Reset();
        CallPool<PendingCall<TReply>>.Return(this);
    }
}

/// <summary>A call of a raw method. The reply's bytes stay in the object until they are given back.</summary>
internal sealed class RawCall : PendingCall, IValueTaskSource<RpcReply>
{
    private int _lent;
    private short _loan;

    public static RawCall Rent() => CallPool<RawCall>.Rent() ?? new RawCall();

    public RpcReply GetResult(short token)
    {
        TakeResult(token);
        if (Status != RpcStatus.Ok)
        {
            var failure = Failure();
            Abandon();
            throw failure;
        }
        Volatile.Write(ref _lent, 1);
        return new RpcReply(this, ++_loan);
    }

    public ReadOnlyMemory<byte> Body(short loan) => loan == _loan && Volatile.Read(ref _lent) == 1 ? Reply : throw new ObjectDisposedException(nameof(RpcReply));

    public void Return(short loan)
    {
        if (loan == _loan && Interlocked.Exchange(ref _lent, 0) == 1)
            Abandon();
    }

    public override void Abandon()
    {
        Reset();
        CallPool<RawCall>.Return(this);
    }
}

/// <summary>Call objects at rest: one per thread, and a bounded queue for all. Thread-safe.</summary>
internal static class CallPool<T>
    where T : class
{
    private const int MaxRetained = 4_096;

    private static readonly ConcurrentQueue<T> Idle = new();
    private static int s_count;

    [ThreadStatic]
    private static T? t_one;

    public static T? Rent()
    {
        var one = t_one;
        if (one is not null)
        {
            t_one = null;
            return one;
        }
        if (!Idle.TryDequeue(out one))
            return null;
        Interlocked.Decrement(ref s_count);
        return one;
    }

    public static void Return(T item)
    {
        if (t_one is null)
        {
            t_one = item;
            return;
        }
        if (Volatile.Read(ref s_count) >= MaxRetained)
            return;
        Interlocked.Increment(ref s_count);
        Idle.Enqueue(item);
    }
}
