using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Connections;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>What became of a SEND.</summary>
internal enum SubmitOutcome : byte
{
    /// <summary>Answered, or it will be.</summary>
    Taken,
    /// <summary>Too many wait; receiving was paused.</summary>
    Wait,
    /// <summary>The app index was never given on this connection.</summary>
    Unknown,
}

/// <summary>One connection's upstream messages that wait to be stored, in order; the first is with the coordinator.</summary>
internal sealed class UpstreamQueue
{
    public Queue<(UpstreamMessage Message, int AppIndex)> Messages { get; } = new();
    public long Bytes { get; set; }
}

/// <summary>
/// Hands clients' messages to the coordinator, one at a time per connection, so that their order holds; the socket pushes back when
/// too many wait. Owned by its shard, used on its turn; nothing needs disposal. What has no SEND_OK is sent again by the client.
/// </summary>
internal sealed class UpstreamSubmitter(RoomShard shard)
{
    private const int RetryMilliseconds = 5_000;

    private readonly RoomContext _room = shard.Room;

    public SubmitOutcome Submit(ConnectionRef connection, int appIndex, long messageId, string type, PayloadKind kind, ReadOnlySpan<byte> payload)
    {
        ref var state = ref shard.Connections.Find(connection);
        ref var client = ref shard.Clients[state.Client.Slot];
        if (appIndex >= client.NextAppIndex)
            return SubmitOutcome.Unknown;
        var slot = shard.Ender.FindByIndex(state.Client.Slot, appIndex);
        if (slot < 0)
            return Refuse(connection, appIndex, messageId, ReasonCode.UnknownTarget);
        var key = shard.Sessions[slot].Key;
        if (_room.Services.Apps.Find(key.App) is not { Enabled: true } app)
            return Refuse(connection, appIndex, messageId, ReasonCode.AppUnknown);
        if (payload.Length > app.Limits.PayloadBytes)
            return Refuse(connection, appIndex, messageId, ReasonCode.PayloadTooLarge);
        var queue = state.Upstream ??= new UpstreamQueue();
        if (queue.Messages.Count >= shard.Options.MaxUpstreamMessages
            || (queue.Messages.Count > 0 && queue.Bytes + payload.Length > shard.Options.MaxUpstreamBytes))
        {
            shard.Lifecycle.Pause(connection, PauseReasons.Upstream);
            return SubmitOutcome.Wait;
        }
        queue.Messages.Enqueue((new UpstreamMessage(key, client.Device, messageId, type, kind, payload.ToArray(), _room.UnixNow), appIndex));
        queue.Bytes += payload.Length;
        if (queue.Messages.Count == 1)
            _ = SubmitAsync(connection, queue.Messages.Peek().Message);
        return SubmitOutcome.Taken;
    }

    private async Task SubmitAsync(ConnectionRef connection, UpstreamMessage message)
    {
        var reply = new UpstreamReply(ReasonCode.NotStored, RetryMilliseconds);
        try
        {
            reply = await _room.Stores.AskAsync(cancellationToken => _room.Services.Coordinator.SubmitAsync(message, cancellationToken));
        }
        catch (Exception exception)
        {
            _room.CallFailed("ICoordinator.SubmitAsync", exception);
        }
        shard.Post(static done => done.Upstream.Completed(done.Connection, done.Reply), (Upstream: this, Connection: connection, Reply: reply));
    }

    private void Completed(ConnectionRef connection, UpstreamReply reply)
    {
        _room.Metrics.Upstream(reply.Code);
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase != ConnectionPhase.Ready || state.Upstream is not { } queue)
            return;
        var (message, appIndex) = queue.Messages.Dequeue();
        queue.Bytes -= message.Payload.Length;
        shard.Output.SendDone(connection, appIndex, message.MessageId, reply);
        if (queue.Messages.Count <= shard.Options.MaxUpstreamMessages / 2 && queue.Bytes <= shard.Options.MaxUpstreamBytes / 2)
            shard.Lifecycle.Unpause(connection, PauseReasons.Upstream);
        if (queue.Messages.TryPeek(out var next))
            _ = SubmitAsync(connection, next.Message);
        else
            state.Upstream = null;
    }

    private SubmitOutcome Refuse(ConnectionRef connection, int appIndex, long messageId, ReasonCode code)
    {
        _room.Metrics.Upstream(code);
        shard.Output.SendDone(connection, appIndex, messageId, new UpstreamReply(code, 0));
        return SubmitOutcome.Taken;
    }
}
