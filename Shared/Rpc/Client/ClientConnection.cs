using System.Text;
using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Calls;
using PushSystem.Rpc.Links;
using PushSystem.Rpc.Wire;

namespace PushSystem.Rpc.Client;

/// <summary>
/// The calling side of one connection. It owns the calls in flight; callers start calls from any thread, the receive turn, the tick, the
/// cancellation and the end complete them; its <see cref="NodeLink"/> closes it.
/// </summary>
internal sealed class ClientConnection : LinkConnection
{
    /// <summary>Longest error text that is kept, bytes.</summary>
    private const int MaxErrorBytes = 1_024;

    private readonly InFlightTable<PendingCall> _calls;
    private readonly LoadGauge _load;
    private readonly RpcMetrics _metrics;
    private readonly Action<ClientConnection, LinkEnd, string> _closedHandler;
    private readonly Action<PendingCall> _expired;
    private volatile bool _bye;

    public ClientConnection(
        IWire wire, Peer peer, RpcOptions options, LinkClock clock, RpcMetrics metrics, ILogger logger, Action<ClientConnection, LinkEnd, string> closed)
        : base(wire, peer, options, clock, metrics, logger)
    {
        var maxCalls = Math.Min(options.MaxInFlight, peer.MaxInFlight);
        _calls = new InFlightTable<PendingCall>(maxCalls);
        _load = new LoadGauge(maxCalls, Math.Min(options.MaxInFlightBytes, peer.MaxInFlightBytes));
        _metrics = metrics;
        _closedHandler = closed;
        _expired = call => End(call, RpcStatus.Expired, "the deadline passed while the call was in flight");
        OpenedAt = clock.Now;
    }

    public long OpenedAt { get; }

    public override int InFlight => _load.Calls;

    /// <summary>Largest request frame that the peer takes.</summary>
    public int MaxFrameBytes => Peer.MaxFrameBytes;

    /// <summary>
    /// Sends a call whose body is written. Null: it will be completed. Otherwise the reason why not; it was not sent and will not be
    /// completed.
    /// </summary>
    public RpcException? Start(PendingCall call, ushort method, long deadline, uint remaining)
    {
        var bytes = call.Charge = call.Length;
        if (!_load.TryAdd(bytes))
            return Busy("too much is in flight (Rpc:MaxInFlight, Rpc:MaxInFlightBytes)");
        var id = _calls.Take(call, deadline);
        if (id == 0)
        {
            _load.Remove(bytes);
            return Busy("too many calls are in flight (Rpc:MaxInFlight)");
        }
        call.Id = id;
        var frame = call.Frame;
        NodeFrame.WriteRequest(frame, method, id, remaining);
        var queued = Output.Append(frame, ref _calls.SentAt(id), IsSparse(call.StartedAt) || _load.Calls == 1);
        if (queued != Queued.Ok && _calls.TryClaim(id, out _))
        {
            _load.Remove(bytes);
            return queued == Queued.Full
                ? Busy("too many bytes wait to be sent (Rpc:MaxQueuedBytes)")
                : new RpcException(RpcStatus.Unreachable, $"the link to node '{Peer.NodeId}' has just ended");
        }
        call.WatchCancellation();
        return null;
    }

    /// <summary>The caller does not wait any more.</summary>
    public void Cancel(PendingCall call)
    {
        if (_calls.TryClaim(call.Id, out _))
            End(call, PendingCall.CancelledByCaller, null);
    }

    protected override void OnFrame(in NodeFrame frame, long now)
    {
        if (frame.Kind != FrameKind.Reply)
            throw new LinkProtocolException("the server sent a request");
        if (!_calls.TryClaim(frame.Id, out var call))
        {
            _metrics.LateReply();
            return;
        }
        if (frame.Status == RpcStatus.Ok)
            call.SetReply(frame.Body);
        else
            call.Set(Known(frame.Status), ErrorText(frame.Body));
        Finish(call, now);
        Pump.Add(call);
    }

    protected override void OnBye()
    {
        _bye = true;
        Close(LinkEnd.ByPeer, "the peer is stopping");
    }

    protected override void OnTick(long now) => _calls.ClaimExpired(now, _expired);

    protected override void OnClosed(LinkEnd end, string reason)
    {
        // First nobody gets this connection any more; calls that come too late find the queue closed.
        _closedHandler(this, end, reason);
        var sent = Output.HandedOver;
        _calls.ClaimAll((call, sentAt) =>
        {
            // The server says Bye behind its last answer: what is left was not begun.
            if (_bye)
                End(call, RpcStatus.Stopping, $"node '{Peer.NodeId}' is stopping");
            else if (sentAt <= sent)
                End(call, RpcStatus.LinkLost, $"the link to node '{Peer.NodeId}' ended with the call in flight: {reason}");
            else
                End(call, RpcStatus.Unreachable, $"the link to node '{Peer.NodeId}' ended before the call was sent: {reason}");
        });
    }

    private static RpcException Busy(string message) => new(RpcStatus.Busy, message);

    /// <summary>A status of a later version counts as failed: its outcome is unknown to us.</summary>
    private static RpcStatus Known(RpcStatus status) => status <= RpcStatus.Stopping ? status : RpcStatus.Failed;

    private static string? ErrorText(ReadOnlySpan<byte> body) => body.IsEmpty ? null : Encoding.UTF8.GetString(body[..Math.Min(body.Length, MaxErrorBytes)]);

    private void End(PendingCall call, RpcStatus status, string? error)
    {
        call.Set(status, error);
        Finish(call, Clock.Now);
        Pump.Post(call);
    }

    private void Finish(PendingCall call, long now)
    {
        _load.Remove(call.Charge);
        call.Stats.Ended(call.Status, now - call.StartedAt);
    }
}
