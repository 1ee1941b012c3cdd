using System.Buffers;
using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Transport;

namespace PushSystem.Room.Connections;

/// <summary>
/// Encodes what sessions say into frames of the native protocol. Owned by its shard, used on its turn only; nothing needs
/// disposal.
/// </summary>
internal sealed class NativeOutput(RoomShard shard) : IClientOutput
{
    private const int MaxScratch = 64 * 1024;

    private ArrayBufferWriter<byte> _scratch = new(1024);

    public SendStatus Push(ConnectionRef connection, int appIndex, StreamKind stream, in StreamEntry message, bool fetched)
    {
        Write(Begin(), appIndex, stream, message, fetched);
        return SendData(connection, _scratch.WrittenSpan);
    }

    public ReadOnlyMemory<byte> EncodeBroadcast(int appIndex, in StreamEntry message)
    {
        Write(Begin(), appIndex, StreamKind.Broadcast, message, fetched: false);
        return _scratch.WrittenSpan.ToArray();
    }

    public SendStatus PushEncoded(ConnectionRef connection, ReadOnlyMemory<byte> message)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
            return SendStatus.Gone;
        var status = HasLane(connection, message.Length) ? shard.Transport.SendShared(connection, message) : SendStatus.Full;
        if (status == SendStatus.Accepted)
            state.SentBytes += message.Length;
        return status;
    }

    public SendStatus Reset(ConnectionRef connection, int appIndex, StreamKind stream, uint epoch, long firstSeq, ResetReason reason)
    {
        new ResetMessage(appIndex, stream, epoch, firstSeq, reason).Write(Begin());
        return SendData(connection, _scratch.WrittenSpan);
    }

    public SendStatus Notify(ConnectionRef connection, int appIndex, StreamKind stream, uint epoch, long top)
    {
        new NotifyMessage(appIndex, stream, epoch, top).Write(Begin());
        return SendData(connection, _scratch.WrittenSpan);
    }

    public SendStatus FetchDone(ConnectionRef connection, long requestId, ReasonCode code, int count, long nextSeq, long topSeq)
    {
        new FetchOkMessage(requestId, code, count, nextSeq, topSeq).Write(Begin());
        return SendData(connection, _scratch.WrittenSpan);
    }

    public void LoginDone(ConnectionRef connection, SessionSettings settings, IReadOnlyList<BindResult> results)
    {
        new LoginOkMessage(settings, results).Write(Begin());
        SendControl(connection);
    }

    public void ResumeDone(ConnectionRef connection, SessionSettings? settings)
    {
        new ResumeOkMessage(settings is null ? ReasonCode.ResumeUnknown : ReasonCode.Ok, settings).Write(Begin());
        SendControl(connection);
    }

    public void BindDone(ConnectionRef connection, long requestId, in BindResult result)
    {
        new BindOkMessage(requestId, result).Write(Begin());
        SendControl(connection);
    }

    public void UnbindDone(ConnectionRef connection, int appIndex)
    {
        new UnbindMessage(appIndex).Write(Begin(), Opcode.UnbindOk);
        SendControl(connection);
    }

    public void SendDone(ConnectionRef connection, int appIndex, long messageId, in UpstreamReply reply)
    {
        new SendOkMessage(appIndex, messageId, reply.Code, Math.Max(0, reply.RetryAfterMilliseconds)).Write(Begin());
        SendControl(connection);
    }

    public void SubscribeDone(ConnectionRef connection, long requestId, ReasonCode code)
    {
        new SubscribeOkMessage(requestId, code).Write(Begin());
        SendControl(connection);
    }

    public void Pong(ConnectionRef connection, int heartbeatMinSeconds, int heartbeatMaxSeconds)
    {
        new PongMessage(heartbeatMinSeconds, heartbeatMaxSeconds).Write(Begin());
        SendControl(connection);
    }

    public void GoAway(ConnectionRef connection, ReasonCode reason, int? appIndex, TimeSpan window, IReadOnlyList<string> addresses)
    {
        new GoAwayMessage(reason, appIndex, ReasonCodes.AdviceFor(reason), (int)window.TotalMilliseconds, addresses).Write(Begin());
        SendControl(connection);
    }

    public void Error(ConnectionRef connection, ReasonCode code, TimeSpan window, string text)
    {
        new ErrorMessage(code, ReasonCodes.AdviceFor(code), (int)window.TotalMilliseconds, text).Write(Begin());
        // The connection ends anyway: an output that cannot take this changes nothing.
        shard.Transport.Send(connection, _scratch.WrittenSpan);
    }

    private static void Write(IBufferWriter<byte> output, int appIndex, StreamKind stream, in StreamEntry message, bool fetched) =>
        new PushMessage
        {
            AppIndex = appIndex,
            Stream = stream,
            Transient = message.Seq == 0,
            Fetched = fetched,
            Kind = message.Kind,
            Seq = message.Seq,
            ExpiresAt = message.ExpiresAt <= 0 ? 0 : (message.ExpiresAt + 999) / 1000,
            Payload = message.Payload.Span,
        }.Write(output);

    private ArrayBufferWriter<byte> Begin()
    {
        if (_scratch.Capacity > MaxScratch + 1024)
            _scratch = new ArrayBufferWriter<byte>(1024);
        _scratch.ResetWrittenCount();
        return _scratch;
    }

    // An idle output always takes one message, however large.
    private bool HasLane(ConnectionRef connection, int length)
    {
        var pending = shard.Transport.PendingBytes(connection);
        return pending == 0 || pending + length <= shard.Options.MaxDataOutputBytes;
    }

    private SendStatus SendData(ConnectionRef connection, ReadOnlySpan<byte> frame)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
            return SendStatus.Gone;
        var status = HasLane(connection, frame.Length) ? shard.Transport.Send(connection, frame) : SendStatus.Full;
        if (status == SendStatus.Accepted)
            state.SentBytes += frame.Length;
        return status;
    }

    private void SendControl(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
            return;
        switch (shard.Transport.Send(connection, _scratch.WrittenSpan))
        {
            case SendStatus.Accepted:
                state.SentBytes += _scratch.WrittenCount;
                break;
            case SendStatus.Full:
                shard.Lifecycle.CloseSlow(connection);
                break;
        }
    }
}
