using System.Net;
using System.Text.Unicode;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Calls;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Server;

/// <summary>
/// The answering side of one connection. It owns the calls that run; the receive turn begins them, pumps run them, the tick and the end
/// cancel them; the server closes it.
/// </summary>
internal sealed class ServerConnection : LinkConnection
{
    /// <summary>Longest error text that is sent, bytes.</summary>
    private const int MaxErrorBytes = 512;

    private readonly RpcMethods _methods;
    private readonly RpcMetrics _metrics;
    private readonly ILogger _logger;
    private readonly InFlightTable<ServerCall> _calls;
    private readonly LoadGauge _load;
    private readonly Action<ServerConnection, LinkEnd, string> _closedHandler;
    private readonly Action<ServerCall> _expired;
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _stopping;

    public ServerConnection(
        IWire wire, Peer peer, EndPoint? endPoint, RpcMethods methods, RpcOptions options, LinkClock clock, RpcMetrics metrics, ILogger logger,
        Action<ServerConnection, LinkEnd, string> closed)
        : base(wire, peer, options, clock, metrics, logger)
    {
        EndPoint = endPoint;
        _methods = methods;
        _metrics = metrics;
        _logger = logger;
        _calls = new InFlightTable<ServerCall>(options.MaxInFlight);
        _load = new LoadGauge(options.MaxInFlight, options.MaxInFlightBytes);
        _closedHandler = closed;
        _expired = Expire;
        MaxReplyBytes = Math.Min(options.MaxFrameBytes, peer.MaxFrameBytes);
    }

    public EndPoint? EndPoint { get; }

    public override int InFlight => _load.Calls;

    /// <summary>Largest frame that both sides take.</summary>
    public int MaxReplyBytes { get; }

    /// <summary>New calls are refused from now on; completes when none runs any more.</summary>
    public Task DrainAsync()
    {
        Interlocked.Exchange(ref _stopping, 1);
        if (_load.Calls == 0)
            _drained.TrySetResult();
        return _drained.Task;
    }

    /// <summary>Tells the peer that what is not answered was not begun; completes when everything is sent. All calls have been drained.</summary>
    public Task SayByeAsync()
    {
        SendControl(FrameKind.Bye, 0);
        return Output.WhenEmpty();
    }

    /// <summary>False: the call has ended already, or its time is over.</summary>
    public bool MayBegin(ServerCall call)
    {
        if (!IsClosed && Clock.Now < call.Deadline)
            return true;
        if (TryClaim(call))
        {
            Refuse(call, RpcStatus.Expired, null);
            call.Recycle();
        }
        return false;
    }

    /// <summary>True: the caller must answer. False: somebody else has answered; the call does not run any more.</summary>
    public bool TryClaim(ServerCall call)
    {
        if (_calls.TryClaim(call.Id, out _))
            return true;
        Release(call);
        return false;
    }

    /// <summary>Sends the frame of a call that was claimed.</summary>
    public void Answer(ServerCall call, Span<byte> frame)
    {
        NodeFrame.WriteHeader(frame, FrameKind.Reply, (byte)RpcStatus.Ok, 0, call.Correlation);
        var now = Clock.Now;
        call.Stats.Ended(RpcStatus.Ok, now - call.StartedAt);
        Send(frame, IsSparse(now) || _load.Calls == 1);
        Release(call);
    }

    /// <summary>Answers a call that was claimed with what its handler threw.</summary>
    public void AnswerFailure(ServerCall call, Exception e)
    {
        if (e is RpcException { Status: not RpcStatus.Ok } chosen)
        {
            Refuse(call, chosen.Status, chosen.Message);
        }
        else
        {
            RpcLog.HandlerFailed(_logger, call.Entry.Name, Peer.NodeId, e);
            Refuse(call, RpcStatus.Failed, $"{e.GetType().Name}: {e.Message}");
        }
    }

    protected override void OnFrame(in NodeFrame frame, long now)
    {
        if (frame.Kind != FrameKind.Request)
            throw new LinkProtocolException("the client sent a reply");
        if (_methods.Find(frame.Method) is not { } method)
        {
            RefuseAtOnce(frame.Id, _metrics.Unknown, RpcStatus.UnknownMethod, $"method {frame.Method} is not known here");
            return;
        }
        var stats = _metrics.Method(method.Id, method.Name);
        var charge = NodeFrame.RequestHeaderBytes + frame.Body.Length;
        if (!_load.TryAdd(charge))
        {
            RefuseAtOnce(frame.Id, stats, RpcStatus.Busy, "too much of this peer is in flight (Rpc:MaxInFlight, Rpc:MaxInFlightBytes)");
            return;
        }
        // Looked at after it is counted: a drain that sees no call running may rely on none to begin.
        if (Volatile.Read(ref _stopping) != 0)
        {
            Uncount(charge);
            RefuseAtOnce(frame.Id, stats, RpcStatus.Stopping, null);
            return;
        }
        var call = method.Rent();
        var deadline = now + Clock.TicksOfMilliseconds(Math.Min(frame.Remaining, NodeFrame.MaxRemaining));
        call.Begin(this, stats, frame, charge, now, deadline);
        // Always has room: the gauge is checked first, and no call stays in the table that it does not count.
        call.Id = _calls.Take(call, deadline);
        Pump.Add(call);
    }

    protected override void OnBye() => Close(LinkEnd.ByPeer, "the peer says good bye");

    protected override void OnTick(long now) => _calls.ClaimExpired(now, _expired);

    protected override void OnClosed(LinkEnd end, string reason)
    {
        _closedHandler(this, end, reason);
        _calls.ClaimAll((call, _) => Pump.Post(call.Cancellation()));
    }

    /// <summary>The caller has given up, and so should the handler. The call goes on to count as running until it ends.</summary>
    private void Expire(ServerCall call)
    {
        SendStatus(call.Correlation, RpcStatus.Expired, null);
        call.Stats.Ended(RpcStatus.Expired, Clock.Now - call.StartedAt);
        Pump.Post(call.Cancellation());
    }

    private void Refuse(ServerCall call, RpcStatus status, string? text)
    {
        call.Stats.Ended(status, Clock.Now - call.StartedAt);
        SendStatus(call.Correlation, status, text);
        Release(call);
    }

    private void RefuseAtOnce(long correlation, MethodStats stats, RpcStatus status, string? text)
    {
        stats.Ended(status, 0);
        SendStatus(correlation, status, text, Pump);
    }

    private void SendStatus(long correlation, RpcStatus status, string? text, CallPump? batch = null)
    {
        Span<byte> frame = stackalloc byte[NodeFrame.HeaderBytes + MaxErrorBytes];
        var length = NodeFrame.HeaderBytes;
        if (text is not null)
        {
            // Stops before the first character that has no room.
            Utf8.FromUtf16(text, frame[length..], out _, out var written);
            length += written;
        }
        NodeFrame.WriteHeader(frame[..length], FrameKind.Reply, (byte)status, 0, correlation);
        Send(frame[..length], IsSparse(Clock.Now) || _load.Calls == 1, batch);
    }

    private void Release(ServerCall call) => Uncount(call.Charge);

    private void Uncount(long charge)
    {
        if (_load.Remove(charge) == 0 && Volatile.Read(ref _stopping) != 0)
            _drained.TrySetResult();
    }
}
