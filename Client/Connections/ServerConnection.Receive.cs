using System.Buffers;
using PushSystem.Client.Delivery;
using PushSystem.Protocol;
using WirePush = PushSystem.Protocol.PushMessage;

namespace PushSystem.Client.Connections;

// Receiving: bytes to frames to what they mean. Runs in one task.
internal sealed partial class ServerConnection
{
    private readonly CancellationTokenSource _drain = new();
    private volatile ConnectionEnd? _finishing;
    private long _reads;
    private bool _paused;

    private async Task ReceiveAsync()
    {
        while (true)
        {
            var result = await _reader.ReadAsync(_ended);
            var buffer = result.Buffer;
            Volatile.Write(ref _reads, _reads + 1);
            while (FrameReader.TryRead(ref buffer, ProtocolLimits.MaxServerBody, out var frame))
            {
                // When stopping, everything but the server's close is of no interest any more.
                if (_finishing is null && Handle(frame) is { } item && _context.Queue.TryAdd(item) is { } room)
                    await AddLaterAsync(item, room);
            }
            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                End(ConnectionEnd.Lost("the server closed the connection"));
                return;
            }
        }
    }

    private async Task AddLaterAsync(DeliveryItem item, Task room)
    {
        ClientMetrics.ReceivePauses.Add(1);
        Volatile.Write(ref _paused, true);
        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(_ended, _drain.Token);
            for (Task? wait = room; wait is not null; wait = _context.Queue.TryAdd(item))
                await wait.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (_finishing is not null && !HasEnded)
        {
        }
        finally
        {
            Volatile.Write(ref _paused, false);
            Volatile.Write(ref _reads, _reads + 1);
        }
    }

    // Does what a frame says; what has to wait for its turn among the messages is returned.
    private DeliveryItem? Handle(in Frame frame)
    {
        using var body = new FrameBody(frame.Body);
        switch (frame.Opcode)
        {
            case Opcode.Push:
                return Push(WirePush.Read(body.Span));
            case Opcode.Reset:
                return Reset(ResetMessage.Read(body.Span));
            case Opcode.BindOk:
                return BindOk(BindOkMessage.Read(body.Span));
            case Opcode.UnbindOk:
                UnbindOk(UnbindMessage.Read(body.Span).AppIndex);
                return null;
            case Opcode.SendOk:
                SendOk(SendOkMessage.Read(body.Span));
                return null;
            case Opcode.Pong:
                var pong = PongMessage.Read(body.Span);
                if (pong.HeartbeatMaxSeconds > 0)
                    _heartbeat.LimitsChanged(pong.HeartbeatMinSeconds, pong.HeartbeatMaxSeconds);
                return null;
            case Opcode.GoAway:
                GoAway(GoAwayMessage.Read(body.Span));
                return null;
            case Opcode.Error:
                End(ConnectionEnd.From(ErrorMessage.Read(body.Span)));
                return null;
            case Opcode.Notify or Opcode.FetchOk or Opcode.SubscribeOk:
                // Answers to what this client never asks for.
                return null;
            case > Opcode.None and <= Opcode.FetchOk:
                throw new ProtocolException(ReasonCode.UnexpectedFrame, $"the server sent frame {frame.Opcode}, which has no place here");
            default:
                if (frame.Critical)
                    throw new ProtocolException(ReasonCode.UnsupportedFrame, $"the server sent critical frame {(byte)frame.Opcode}, which is not known");
                return null;
        }
    }

    private MessageItem? Push(in WirePush push)
    {
        if (FindSession(push.AppIndex, "PUSH") is not { Status: SessionStatus.Active } session)
            return null;
        // A fetched message does not move a stream, and this client fetches nothing.
        if (push is { Fetched: true, Transient: false })
            return null;
        return new MessageItem(session, push.Stream, push.Transient, push.Seq, push.Kind, push.ExpiresAt, push.Payload.ToArray());
    }

    private ResetItem? Reset(in ResetMessage reset)
    {
        if (FindSession(reset.AppIndex, "RESET") is not { Status: SessionStatus.Active } session)
            return null;
        return new ResetItem(session, reset.Stream, new StreamPosition(reset.Epoch, Math.Max(0, reset.FirstSeq - 1)), reset.Reason);
    }

    private void SendOk(in SendOkMessage answer)
    {
        if (FindSession(answer.AppIndex, "SEND_OK") is not { } session)
            return;
        if (_context.Outbox.Answered(session, answer) is { } again)
            Track(SendLaterAsync(session, again, TimeSpan.FromMilliseconds(answer.RetryAfterMilliseconds)));
    }

    private async Task SendLaterAsync(ClientSession session, Upstream.PendingSend send, TimeSpan wait)
    {
        try
        {
            await Delays.For(wait, _context.Time, _ended);
            _context.Outbox.SendAgain(session, send);
        }
        catch (OperationCanceledException)
        {
            // The next connection sends it again.
        }
    }

    private void GoAway(GoAwayMessage goAway)
    {
        if (goAway.AppIndex is not { } index)
        {
            NamedAddresses = goAway.Addresses;
            End(ConnectionEnd.From(goAway));
            return;
        }
        if (FindSession(index, "GOAWAY") is { } session)
            SessionEnded(session, goAway);
    }

    /// <summary>Addresses that the server named in a GOAWAY of the connection.</summary>
    public IReadOnlyList<string> NamedAddresses { get; private set; } = [];

    // Null for an index whose session has just ended: frames may have been on their way.
    private ClientSession? FindSession(int index, string frame)
    {
        lock (_lock)
        {
            if (_sessions.TryGetValue(index, out var session))
                return session;
        }
        throw new ProtocolException(ReasonCode.UnknownTarget, $"{frame} for app index {index}, which was never given");
    }
}
