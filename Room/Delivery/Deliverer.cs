using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;
using PushSystem.Transport;

namespace PushSystem.Room.Delivery;

/// <summary>
/// Moves the streams of a shard's sessions on: sends what is next inside the window, reads ranges when there is a gap, counts
/// acks. Owned by its shard, used on its turn only; nothing needs disposal. Knows no wire format.
/// </summary>
internal sealed class Deliverer(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;

    public static ref StreamState StreamOf(ref SessionState session, StreamKind kind) =>
        ref kind == StreamKind.Mailbox ? ref session.Mailbox : ref session.Broadcast;

    /// <summary>A message for a session of this shard. Without its payload it is read from the mailbox.</summary>
    public DeliverOutcome Deliver(int slot, in DeliverItem item, bool withPayload)
    {
        ref var session = ref shard.Sessions[slot];
        if (item.Generation != 0 && !session.Answers(item.Generation))
            return DeliverOutcome.NotHere;
        ref var client = ref shard.Clients[session.Client];
        if (item.Seq == 0)
            return withPayload ? DeliverTransient(session, client, item) : DeliverOutcome.Dropped;
        ref var stream = ref session.Mailbox;
        if (!IsServed(session, client))
        {
            Note(ref stream, item.Epoch, item.Seq);
            return DeliverOutcome.Taken;
        }
        if (session.Pull)
        {
            Offer(slot, StreamKind.Mailbox, item.Epoch, item.Seq);
            return DeliverOutcome.Taken;
        }
        switch (stream.Offer(item.Epoch, item.Seq, item.Payload.Length, withPayload && MaySend(client.Connection), shard.Options.WindowMessages, shard.Options.WindowBytes))
        {
            case DeliverStep.Send:
                SendOrExpire(slot, StreamKind.Mailbox,
                    new StreamEntry(item.Seq, ResetReason.None, item.Kind, 0, item.ExpiresAt, item.Payload));
                break;
            case DeliverStep.Later:
                if (!stream.HasRoom(item.Payload.Length, shard.Options.WindowMessages, shard.Options.WindowBytes))
                    _room.Metrics.WindowFull();
                Pump(slot, StreamKind.Mailbox);
                break;
        }
        return DeliverOutcome.Taken;
    }

    /// <summary>The stream has grown to <paramref name="top"/>, whose message is not at hand.</summary>
    public void Offer(int slot, StreamKind kind, uint epoch, long top)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        var before = stream.Top;
        Note(ref stream, epoch, top);
        if (session.Pull && stream.Top > before)
            stream.NoticeOwed = true;
        Pump(slot, kind);
    }

    /// <summary>Sends the next message of a stream that has room for it. False: it has to wait.</summary>
    public bool SendOrExpire(int slot, StreamKind kind, in StreamEntry entry) =>
        IsExpired(entry) ? Skip(slot, kind, entry.Seq, ResetReason.Expired) : Send(slot, kind, entry);

    /// <summary>The session is in force, on a socket, and known to its client.</summary>
    public static bool IsServed(in SessionState session, in ClientState client) =>
        session.Phase == SessionPhase.Open && client.Phase == ClientPhase.Attached && !session.Unconfirmed;

    public bool IsExpired(in StreamEntry entry) => entry.ExpiresAt > 0 && entry.ExpiresAt <= _room.UnixNow;

    /// <summary>False while output waits, and while the connection's last frames leave: what is offered then would only be refused.</summary>
    public bool MaySend(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        return !Unsafe.IsNullRef(ref state) && !state.Blocked && state.Phase == Connections.ConnectionPhase.Ready;
    }

    /// <summary>A message was handed to the transport, by <see cref="Send"/> or by a fan-out.</summary>
    public void Sent(int slot, StreamKind kind, long seq, int bytes)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        _room.Metrics.Pushed(kind, transient: false, bytes);
        if (stream.Sent(seq, bytes, shard.Now, shard.Rings))
            shard.Lifecycle.ExpectAck(shard.Clients[session.Client].Connection);
    }

    /// <summary>Output was full: the session's streams go on when it has drained.</summary>
    public void Hold(int slot) => shard.Lifecycle.Block(shard.Clients[shard.Sessions[slot].Client].Connection);

    /// <summary>
    /// A cumulative ACK. False: of an app index or a message that was never given. One of another epoch, or of a binding that has
    /// ended, crossed with the news of it and means nothing. <paramref name="moved"/>: it acknowledged something.
    /// </summary>
    public bool Ack(ClientRef clientRef, int appIndex, StreamKind kind, byte epochTag, long seq, out bool moved)
    {
        moved = false;
        ref var client = ref shard.Clients[clientRef.Slot];
        if (appIndex >= client.NextAppIndex)
            return false;
        var slot = shard.Ender.FindByIndex(clientRef.Slot, appIndex);
        if (slot < 0)
            return true;
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        if (AckMessage.TagOf(stream.Epoch) != epochTag)
            return true;
        if (seq > stream.HighSent)
            return false;
        if (seq <= stream.Acked)
            return true;
        moved = true;
        TakeAck(ref session, kind, seq);
        Pump(slot, kind);
        return true;
    }

    /// <summary>Moves the acknowledged position and tells the store later. <paramref name="seq"/> is above it and was sent.</summary>
    public void TakeAck(ref SessionState session, StreamKind kind, long seq)
    {
        ref var stream = ref StreamOf(ref session, kind);
        if (session.Pull)
        {
            stream.AckFetched(seq);
        }
        else
        {
            var latency = stream.Ack(seq, shard.Now, shard.Rings);
            if (latency >= 0)
                _room.Metrics.AckLatency(latency);
        }
        _room.Metrics.Acked();
        shard.Acks.Add(ref stream, session.Key, kind, seq);
    }

    /// <summary>Reads the next range if the stream is behind and may go on.</summary>
    public void Pump(int slot, StreamKind kind)
    {
        ref var session = ref shard.Sessions[slot];
        ref var client = ref shard.Clients[session.Client];
        if (!IsServed(session, client))
            return;
        ref var stream = ref StreamOf(ref session, kind);
        if (session.Pull && stream.NoticeOwed && !stream.Pulling && !stream.Dirty)
            Notify(slot, kind);
        if (stream.Pulling || !MaySend(client.Connection))
            return;
        if (session.Pull ? stream.Dirty : stream.IsBehind && stream.HasRoomToPull(shard.Options.WindowMessages, shard.Options.WindowBytes))
            shard.Pulls.Start(slot, kind);
    }

    public void PumpSession(int slot)
    {
        ref var session = ref shard.Sessions[slot];
        session.Mailbox.NoticeOwed |= session.Pull && session.Mailbox.Top > session.Mailbox.LastSent;
        session.Broadcast.NoticeOwed |= session.Pull && session.Broadcast.Top > session.Broadcast.LastSent;
        Pump(slot, StreamKind.Mailbox);
        Pump(slot, StreamKind.Broadcast);
    }

    /// <summary>Output has drained: every stream of the connection goes on.</summary>
    public void PumpClient(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state))
            return;
        ref var client = ref shard.Clients.Find(state.Client.Slot, state.Client.Generation);
        if (Unsafe.IsNullRef(ref client))
            return;
        for (var slot = client.FirstSession; slot >= 0; slot = shard.Sessions[slot].NextOfClient)
        {
            Pump(slot, StreamKind.Mailbox);
            Pump(slot, StreamKind.Broadcast);
        }
    }

    /// <summary>The answer of a read. <paramref name="topAtStart"/>: the stream's top when it was asked.</summary>
    public void TakeReply(int slot, StreamKind kind, ReadReply reply, long topAtStart)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        stream.Pulling = false;
        if (reply.Epoch != stream.Epoch)
        {
            ChangeEpoch(slot, kind, reply.Epoch, reply.BehindSeq, reply.Top, ResetReason.DataLoss);
            return;
        }
        stream.Dirty = false;
        stream.NoticeOwed |= session.Pull && reply.Top > stream.Top;
        var before = stream.LastSent;
        var complete = session.Pull || SendAll(slot, kind, reply.Entries);
        // Nothing came although something was expected: it is not readable now, and asking again at once would only spin.
        if (!session.Pull && complete && stream.LastSent == before && stream.Top == topAtStart)
            stream.Top = stream.LastSent;
        else
            stream.Top = Math.Max(stream.Top, reply.Top);
        Pump(slot, kind);
    }

    /// <summary>Tells the client that its stream goes on in another place, under another epoch if need be.</summary>
    public void ChangeEpoch(int slot, StreamKind kind, uint epoch, long seq, long top, ResetReason reason)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        switch (shard.Output.Reset(shard.Clients[session.Client].Connection, session.AppIndex, kind, epoch, seq + 1, reason))
        {
            case SendStatus.Accepted:
                _room.Metrics.Reset(reason);
                stream.Open(epoch, seq, top, shard.Rings);
                stream.LastReset = reason;
                if (kind == StreamKind.Broadcast)
                    session.CountedBroadcast = 0;
                stream.NoticeOwed = session.Pull && top > seq;
                Pump(slot, kind);
                break;
            case SendStatus.Full:
                stream.Dirty = true;
                Hold(slot);
                break;
        }
    }

    /// <summary>The opening of a stream skipped something that the client has not seen.</summary>
    public void TellGap(int slot, StreamKind kind, ResetReason reason)
    {
        ref var session = ref shard.Sessions[slot];
        TellGap(slot, kind, StreamOf(ref session, kind).LastSent, reason);
    }

    /// <summary>
    /// A client has come back with <paramref name="position"/>. When it does not meet the stream, a RESET was lost with the old socket and
    /// is told again: without it the client would take what follows for repetitions, or for a gap.
    /// </summary>
    public void TellMissedGap(int slot, StreamKind kind, StreamPosition position)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        if (position.Epoch == 0 || (position.Epoch == stream.Epoch && position.Seq >= stream.Acked && position.Seq <= stream.HighSent))
            return;
        // Without a reset that explains it, the client lost its own position or claims one that was never given.
        var explained = stream.LastReset != ResetReason.None && (position.Epoch != stream.Epoch || position.Seq < stream.Acked);
        TellGap(slot, kind, stream.Acked, explained ? stream.LastReset : ResetReason.DataLoss);
    }

    private void TellGap(int slot, StreamKind kind, long behind, ResetReason reason)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        var connection = shard.Clients[session.Client].Connection;
        if (shard.Output.Reset(connection, session.AppIndex, kind, stream.Epoch, behind + 1, reason) == SendStatus.Accepted)
        {
            stream.LastReset = reason;
            _room.Metrics.Reset(reason);
        }
        else
        {
            shard.Lifecycle.CloseSlow(connection);
        }
    }

    /// <summary>The earliest ack deadline of a client's streams, shard milliseconds.</summary>
    public long NextAckDue(ClientRef clientRef)
    {
        var due = long.MaxValue;
        ref var client = ref shard.Clients.Find(clientRef.Slot, clientRef.Generation);
        if (Unsafe.IsNullRef(ref client))
            return due;
        var patience = (long)shard.Options.AckTimeout.TotalMilliseconds;
        for (var slot = client.FirstSession; slot >= 0; slot = shard.Sessions[slot].NextOfClient)
        {
            ref var session = ref shard.Sessions[slot];
            if (session.Mailbox.InFlight > 0)
                due = Math.Min(due, session.Mailbox.ProgressAt + patience);
            if (session.Broadcast.InFlight > 0)
                due = Math.Min(due, session.Broadcast.ProgressAt + patience);
        }
        return due;
    }

    private bool SendAll(int slot, StreamKind kind, IReadOnlyList<StreamEntry> entries)
    {
        ref var stream = ref StreamOf(ref shard.Sessions[slot], kind);
        var (gap, gapEnd) = (ResetReason.None, stream.LastSent);
        for (var i = 0; i < entries.Count; i++)
        {
            var entry = entries[i];
            if (entry.Seq <= gapEnd)
                continue;
            var reason = entry.Gap == ResetReason.None && IsExpired(entry) ? ResetReason.Expired : entry.Gap;
            if (gap != ResetReason.None && gap != reason)
            {
                if (!Skip(slot, kind, gapEnd, gap))
                    return false;
                gap = ResetReason.None;
            }
            if (reason != ResetReason.None)
            {
                (gap, gapEnd) = (reason, entry.Seq);
                continue;
            }
            // A hole that the store does not explain is never hidden from the client by sending on.
            if (entry.Seq != gapEnd + 1)
                return true;
            if (!stream.HasRoom(entry.Payload.Length, shard.Options.WindowMessages, shard.Options.WindowBytes) || !Send(slot, kind, entry))
                return false;
            gapEnd = entry.Seq;
        }
        return gap == ResetReason.None || Skip(slot, kind, gapEnd, gap);
    }

    private bool Send(int slot, StreamKind kind, in StreamEntry entry)
    {
        ref var session = ref shard.Sessions[slot];
        switch (shard.Output.Push(shard.Clients[session.Client].Connection, session.AppIndex, kind, entry, fetched: false))
        {
            case SendStatus.Accepted:
                Sent(slot, kind, entry.Seq, entry.Payload.Length);
                if (kind == StreamKind.Broadcast)
                    shard.Fanouts.CountPulled(slot, entry.Seq);
                return true;
            case SendStatus.Full:
                ref var stream = ref StreamOf(ref session, kind);
                stream.Top = Math.Max(stream.Top, entry.Seq);
                Hold(slot);
                return false;
            default:
                Note(ref StreamOf(ref session, kind), StreamOf(ref session, kind).Epoch, entry.Seq);
                return false;
        }
    }

    private bool Skip(int slot, StreamKind kind, long upTo, ResetReason reason)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        stream.Top = Math.Max(stream.Top, upTo);
        switch (shard.Output.Reset(shard.Clients[session.Client].Connection, session.AppIndex, kind, stream.Epoch, upTo + 1, reason))
        {
            case SendStatus.Accepted:
                _room.Metrics.Reset(reason);
                stream.LastReset = reason;
                stream.Skip(upTo);
                return true;
            case SendStatus.Full:
                Hold(slot);
                return false;
            default:
                return false;
        }
    }

    private void Notify(int slot, StreamKind kind)
    {
        ref var session = ref shard.Sessions[slot];
        ref var stream = ref StreamOf(ref session, kind);
        stream.NoticeOwed = false;
        var connection = shard.Clients[session.Client].Connection;
        if (shard.Output.Notify(connection, session.AppIndex, kind, stream.Epoch, stream.Top) != SendStatus.Full)
            return;
        stream.NoticeOwed = true;
        Hold(slot);
    }

    private DeliverOutcome DeliverTransient(in SessionState session, in ClientState client, in DeliverItem item)
    {
        var message = new StreamEntry(0, ResetReason.None, item.Kind, 0, item.ExpiresAt, item.Payload);
        if (!IsServed(session, client) || IsExpired(message) || !MaySend(client.Connection)
            || shard.Output.Push(client.Connection, session.AppIndex, StreamKind.Mailbox, message, fetched: false) != SendStatus.Accepted)
        {
            _room.Metrics.Dropped("transient");
            return DeliverOutcome.Dropped;
        }
        _room.Metrics.Pushed(StreamKind.Mailbox, transient: true, item.Payload.Length);
        return DeliverOutcome.Taken;
    }

    private static void Note(ref StreamState stream, uint epoch, long seq)
    {
        if (stream.Epoch == 0)
            stream.Epoch = epoch;
        if (stream.Epoch == epoch)
            stream.Top = Math.Max(stream.Top, seq);
        else
            stream.Dirty = true;
    }
}
