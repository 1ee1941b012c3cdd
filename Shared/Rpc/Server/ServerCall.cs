using System.Buffers;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using PushSystem.Rpc.Calls;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Server;

/// <summary>
/// A request from its arrival to its answer, pooled. It owns its buffer (the request's body, later the reply's frame) and the source of
/// RpcContext.Expired. The receive turn fills it, a pump runs it, the thread on which the handler ends answers.
/// Whoever claims it from the link's table may answer. If the deadline or the link's end was faster, the object is left to the collector,
/// because they still cancel its source.
/// </summary>
internal abstract class ServerCall : PumpItem
{
    private ServerConnection _link = null!;
    private CancellationTokenSource? _expired;

    protected CallBuffer Buffer = new();

    /// <summary>Bytes of the request's body.</summary>
    protected int Length { get; private set; }

    /// <summary>Id in the link's table.</summary>
    public long Id { get; set; }

    /// <summary>Id on the wire.</summary>
    public long Correlation { get; private set; }

    /// <summary>What the call counts for in the link's limit.</summary>
    public long Charge { get; private set; }

    /// <summary>When the caller stops to wait, in the clock's ticks.</summary>
    public long Deadline { get; private set; }

    /// <summary>When it came, in the clock's ticks.</summary>
    public long StartedAt { get; private set; }

    public MethodStats Stats { get; private set; } = null!;

    public abstract MethodEntry Entry { get; }

    public void Begin(ServerConnection link, MethodStats stats, in NodeFrame frame, long charge, long now, long deadline)
    {
        _link = link;
        Stats = stats;
        Correlation = frame.Id;
        Charge = charge;
        StartedAt = now;
        Deadline = deadline;
        var body = frame.Body;
        body.CopyTo(Buffer.Renew(body.Length));
        Length = body.Length;
        _expired ??= new CancellationTokenSource();
    }

    public override void Run()
    {
        if (!_link.MayBegin(this))
            return;
        try
        {
            if (!Invoke(new RpcContext(_link.Peer.NodeId, _expired!.Token)))
                return;
        }
        catch (Exception e)
        {
            Fail(e);
            return;
        }
        Complete();
    }

    /// <summary>Cancels RpcContext.Expired, for whoever has claimed the call; the callbacks run on a pump's thread.</summary>
    public PumpItem Cancellation() => new Cancel(_expired!);

    /// <summary>Puts the object back into its pool.</summary>
    public abstract void Return();

    /// <summary>Reads the request and calls the handler. False: <see cref="Complete"/> will be called later.</summary>
    protected abstract bool Invoke(RpcContext context);

    /// <summary>Takes the handler's result and writes the reply's body behind room for the header; returns the frame's length. May throw.</summary>
    protected abstract int WriteReply(int maxBytes);

    /// <summary>Where the reply's frame is.</summary>
    protected virtual Span<byte> Reply => Buffer.Bytes;

    /// <summary>Throws what the handler threw.</summary>
    protected abstract void TakeResult();

    protected void Complete()
    {
        try
        {
            TakeResult();
            if (!_link.TryClaim(this))
                return;
        }
        catch (Exception e)
        {
            Fail(e);
            return;
        }
        var length = 0;
        try
        {
            length = WriteReply(_link.MaxReplyBytes);
        }
        catch (Exception e)
        {
            _link.AnswerFailure(this, e);
        }
        if (length > 0)
            _link.Answer(this, Reply[..length]);
        Recycle();
    }

    /// <summary>Ends a call that was claimed without an answer of the handler.</summary>
    public void Recycle()
    {
        _link = null!;
        Stats = null!;
        Buffer.Release();
        if (!_expired!.TryReset())
            _expired = null;
        Return();
    }

    private void Fail(Exception e)
    {
        if (!_link.TryClaim(this))
            return;
        _link.AnswerFailure(this, e);
        Recycle();
    }

    private sealed class Cancel(CancellationTokenSource source) : PumpItem
    {
        public override void Run() => source.Cancel();
    }
}

/// <summary>A call of a typed method.</summary>
internal sealed class ServerCall<TRequest, TReply> : ServerCall
    where TRequest : class, IMessage<TRequest>, IBufferMessage
    where TReply : class, IMessage<TReply>, IBufferMessage
{
    private readonly Action _onCompleted;
    private ConfiguredValueTaskAwaitable<TReply>.ConfiguredValueTaskAwaiter _running;
    private TReply? _reply;

    public ServerCall() => _onCompleted = Complete;

    public MethodEntry<TRequest, TReply> Method { get; set; } = null!;

    public override MethodEntry Entry => Method;

    protected override bool Invoke(RpcContext context)
    {
        TRequest request;
        try
        {
            request = Method.Parser.ParseFrom(Buffer.Bytes.AsSpan(0, Length));
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new RpcException(RpcStatus.BadRequest, $"the request cannot be read: {e.Message}", e);
        }
        var running = Method.Handler(request, context).ConfigureAwait(false).GetAwaiter();
        _running = running;
        if (running.IsCompleted)
            return true;
        running.UnsafeOnCompleted(_onCompleted);
        return false;
    }

    protected override void TakeResult() => _reply = _running.GetResult();

    protected override int WriteReply(int maxBytes)
    {
        var size = _reply!.CalculateSize();
        if (size > maxBytes - NodeFrame.HeaderBytes)
            throw new RpcException(RpcStatus.Failed, $"the reply has {size} bytes; with its header it exceeds the limit of {maxBytes} (Rpc:MaxFrameBytes)");
        _reply.WriteTo(Buffer.Renew(NodeFrame.HeaderBytes + size).AsSpan(NodeFrame.HeaderBytes, size));
        return NodeFrame.HeaderBytes + size;
    }

    public override void Return()
    {
        _running = default;
        _reply = null;
        Method = null!;
        CallPool<ServerCall<TRequest, TReply>>.Return(this);
    }
}

/// <summary>A call of a raw method. It is the writer that its handler gets.</summary>
internal sealed class RawServerCall : ServerCall, IBufferWriter<byte>
{
    private readonly Action _onCompleted;
    private ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter _running;
    private CallBuffer _reply = new();
    private int _written = NodeFrame.HeaderBytes;

    public RawServerCall() => _onCompleted = Complete;

    public RawMethodEntry Method { get; set; } = null!;

    public override MethodEntry Entry => Method;

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _reply.Bytes.Length - _written);
        _written += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0) => _reply.Grow(_written + Math.Max(sizeHint, 64), _written).AsMemory(_written);

    public Span<byte> GetSpan(int sizeHint = 0) => _reply.Grow(_written + Math.Max(sizeHint, 64), _written).AsSpan(_written);

    public override void Return()
    {
        _running = default;
        _written = NodeFrame.HeaderBytes;
        _reply.Release();
        Method = null!;
        CallPool<RawServerCall>.Return(this);
    }

    protected override bool Invoke(RpcContext context)
    {
        var running = Method.Handler(Buffer.Bytes.AsMemory(0, Length), this, context).ConfigureAwait(false).GetAwaiter();
        _running = running;
        if (running.IsCompleted)
            return true;
        running.UnsafeOnCompleted(_onCompleted);
        return false;
    }

    protected override void TakeResult() => _running.GetResult();

    protected override int WriteReply(int maxBytes)
    {
        if (_written > maxBytes)
            throw new RpcException(RpcStatus.Failed, $"the reply has {_written} bytes with its header; the limit is {maxBytes} (Rpc:MaxFrameBytes)");
        return _written;
    }

    protected override Span<byte> Reply => _reply.Bytes;
}
