using System.Runtime.CompilerServices;
using PushSystem.Protocol;
using PushSystem.Room.Connections;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>
/// RESUME: attaches a client whose socket was lost, or still seems alive, to a new connection. Owned by its shard, used on its turn
/// only; nothing needs disposal. A client on another shard moves in three posts, Adopt – Release – Complete; until Release the
/// old slots take deliveries, until Complete nothing is decided, and what came in between is carried over, so that no moment
/// exists in which the room would deny a session it holds.
/// </summary>
internal sealed class Resumption(RoomShard shard)
{
    private const int MaxHops = 4;

    private readonly RoomContext _room = shard.Room;
    // Clients that moved away lately: their device may never have got the ticket of the new place. Kept for the grace period.
    private readonly Dictionary<ClientRef, ResumeTarget> _moved = [];
    private readonly Queue<(ClientRef Client, long Due)> _movedOrder = new();

    public void Resume(ConnectionRef connection, ResumeMessage message)
    {
        if (_room.Draining)
        {
            shard.Lifecycle.Fail(connection, ReasonCode.Draining, "the room is draining", shard.Options.RetryWindow);
            return;
        }
        ref var state = ref shard.Connections.Find(connection);
        state.Phase = ConnectionPhase.Resuming;
        shard.Lifecycle.Pause(connection, PauseReasons.Login);
        if (!_room.Tickets.TryOpen(message.Ticket.Span, out var target) || target.Shard >= _room.Shards.Length)
            Refused(connection);
        else
            Send(new ResumeOperation(shard, connection, message, target));
    }

    // To the shard where the client is.
    private void Send(ResumeOperation operation)
    {
        var home = _room.Shards[operation.Target.Shard];
        if (home == shard)
            Claim(operation);
        else
            home.Post(static next => next.Home.Resumption.Claim(next.Operation), (Home: home, Operation: operation));
    }

    private void Claim(ResumeOperation operation)
    {
        var clientRef = operation.Target.Client;
        ref var client = ref shard.Clients.Find(clientRef.Slot, clientRef.Generation);
        if (Unsafe.IsNullRef(ref client))
        {
            if (_moved.TryGetValue(clientRef, out var next) && operation.Hops++ < MaxHops)
            {
                operation.Target = next;
                Send(operation);
            }
            else
            {
                operation.Shard.Post(static done => done.Shard.Resumption.Refused(done.Connection), operation);
            }
            return;
        }
        // A binding under way, or its undoing, could hit what is bound after the resume: such a client logs in anew.
        if (client.ConnectionId != operation.Target.ConnectionId || !client.Established || client.Calls > 0 || client.Sessions == 0
            || client.Phase is ClientPhase.Leaving or ClientPhase.Arriving)
        {
            operation.Shard.Post(static done => done.Shard.Resumption.Refused(done.Connection), operation);
            return;
        }
        if (client.Phase == ClientPhase.Attached)
        {
            var old = client.Connection;
            shard.Ender.Detach(clientRef);
            shard.Lifecycle.Abandon(old);
            // Where no lost connection is kept at all, this one is gone now.
            if (!shard.Clients.IsLive(clientRef.Slot, clientRef.Generation))
            {
                operation.Shard.Post(static done => done.Shard.Resumption.Refused(done.Connection), operation);
                return;
            }
        }
        if (operation.Shard == shard)
            AttachHere(operation, clientRef);
        else
            Leave(operation, clientRef);
    }

    private void AttachHere(ResumeOperation operation, ClientRef clientRef)
    {
        if (IsWaiting(operation.Connection))
            Attach(operation, clientRef);
    }

    private void Leave(ResumeOperation operation, ClientRef clientRef)
    {
        ref var client = ref shard.Clients[clientRef.Slot];
        shard.Ender.Reattached(ref client);
        client.Phase = ClientPhase.Leaving;
        operation.Client = client;
        for (var slot = client.FirstSession; slot >= 0; slot = shard.Sessions[slot].NextOfClient)
            operation.Sessions.Add(new MovingSession(shard.Sessions[slot], new SessionRef(shard.Index, slot, shard.Sessions.GenerationOf(slot))));
        operation.Shard.Post(static next => next.Shard.Resumption.Adopt(next), operation);
    }

    private void Adopt(ResumeOperation operation)
    {
        var home = _room.Shards[operation.Target.Shard];
        if (!IsWaiting(operation.Connection))
        {
            home.Post(static next => next.Home.Resumption.Stay(next.Operation), (Home: home, Operation: operation));
            return;
        }
        var slot = shard.Clients.Allocate(out var generation);
        operation.Arrived = new ClientRef(slot, generation);
        ref var client = ref shard.Clients[slot];
        client = operation.Client;
        client.Phase = ClientPhase.Arriving;
        client.Connection = operation.Connection;
        client.FirstSession = -1;
        client.Sessions = 0;
        shard.Connections.Find(operation.Connection).Client = operation.Arrived;
        foreach (var moving in operation.Sessions)
            Place(moving, ref client, slot);
        home.Post(static next => next.Home.Resumption.Release(next.Operation), (Home: home, Operation: operation));
    }

    private void Place(MovingSession moving, ref ClientState client, int clientSlot)
    {
        var slot = shard.Sessions.Allocate(out var generation);
        ref var session = ref shard.Sessions[slot];
        session = moving.State;
        session.Client = clientSlot;
        session.NextOfClient = client.FirstSession;
        session.App = null;
        session.AppPlace = -1;
        client.FirstSession = slot;
        client.Sessions++;
        moving.To = new SessionRef(shard.Index, slot, generation);
        _room.Metrics.AddSession(1);
        _room.Index.Replace(session.Key, moving.From, moving.To);
        shard.Fanouts.Join(slot, moved: true);
    }

    // The new connection is gone: the client waits here for the next one.
    private void Stay(ResumeOperation operation) => shard.Ender.Detach(operation.Target.Client);

    private void Release(ResumeOperation operation)
    {
        foreach (var moving in operation.Sessions)
        {
            moving.State = shard.Sessions[moving.From.Slot];
            shard.Ender.Remove(moving.From.Slot);
        }
        Remember(operation.Target.Client, new ResumeTarget(operation.Shard.Index, operation.Arrived, operation.Target.ConnectionId));
        shard.Clients.Free(operation.Target.Client.Slot);
        operation.Shard.Post(static next => next.Shard.Resumption.Complete(next), operation);
    }

    private void Complete(ResumeOperation operation)
    {
        foreach (var moving in operation.Sessions)
        {
            ref var session = ref shard.Sessions[moving.To.Slot];
            var late = moving.State;
            session.Mailbox.Top = Math.Max(session.Mailbox.Top, late.Mailbox.Top);
            session.Mailbox.Dirty |= late.Mailbox.Dirty;
            session.Broadcast.Top = Math.Max(session.Broadcast.Top, late.Broadcast.Top);
            session.Broadcast.Dirty |= late.Broadcast.Dirty;
            session.SupersededBy = Math.Max(session.SupersededBy, late.SupersededBy);
            if (late.RegistryGeneration > session.RegistryGeneration)
                (session.RegistryGeneration, session.BoundVersion) = (late.RegistryGeneration, late.BoundVersion);
            session.Rebinding &= late.Rebinding;
            shard.Rebinder.Check(moving.To.Slot);
            if (session.PendingKick == ReasonCode.Ok)
                (session.PendingKick, session.PendingKickGeneration) = (late.PendingKick, late.PendingKickGeneration);
        }
        if (IsWaiting(operation.Connection))
        {
            Attach(operation, operation.Arrived);
            return;
        }
        shard.Ender.Detach(operation.Arrived);
        if (shard.Clients.IsLive(operation.Arrived.Slot, operation.Arrived.Generation))
            Settle(operation.Arrived);
        if (_room.Draining)
            shard.Ender.EndClient(operation.Arrived, SessionEnd.Drained);
    }

    private void Attach(ResumeOperation operation, ClientRef clientRef)
    {
        ref var client = ref shard.Clients[clientRef.Slot];
        shard.Ender.Reattached(ref client);
        client.Phase = ClientPhase.Attached;
        client.Connection = operation.Connection;
        ref var state = ref shard.Connections.Find(operation.Connection);
        state.Client = clientRef;
        state.Phase = ConnectionPhase.Ready;
        state.LastFrameAt = shard.Now;
        var interval = operation.Message.NextIntervalSeconds;
        shard.Lifecycle.SetInterval(ref state, interval == 0 ? (int)shard.Options.HeartbeatDefault.TotalSeconds : interval);
        shard.Lifecycle.Reschedule(ref state, operation.Connection);
        _room.Metrics.Resumed(ReasonCode.Ok);
        shard.Output.ResumeDone(operation.Connection, SettingsFactory.Create(shard, clientRef, state.Version));
        shard.Ender.TellEndedAway(ref client);
        shard.Lifecycle.Unpause(operation.Connection, PauseReasons.Login);
        Settle(clientRef);
        if (shard.Clients.IsLive(clientRef.Slot, clientRef.Generation))
            Continue(operation, clientRef);
    }

    private void Continue(ResumeOperation operation, ClientRef clientRef)
    {
        for (var slot = shard.Clients[clientRef.Slot].FirstSession; slot >= 0; slot = shard.Sessions[slot].NextOfClient)
        {
            ref var session = ref shard.Sessions[slot];
            session.Unconfirmed = true;
            foreach (var position in operation.Message.Positions)
            {
                if (position.AppIndex != session.AppIndex)
                    continue;
                session.Unconfirmed = false;
                TakePosition(ref session, StreamKind.Mailbox, position.Mailbox);
                TakePosition(ref session, StreamKind.Broadcast, position.Broadcast);
                shard.Deliverer.TellMissedGap(slot, StreamKind.Mailbox, position.Mailbox);
                shard.Deliverer.TellMissedGap(slot, StreamKind.Broadcast, position.Broadcast);
                // What was fetched and not processed is still to be fetched.
                session.Mailbox.NoticeOwed = session.Pull && session.Mailbox.Top > session.Mailbox.Acked;
                session.Broadcast.NoticeOwed = session.Pull && session.Broadcast.Top > session.Broadcast.Acked;
            }
            shard.Poison.Returned(slot);
            shard.Deliverer.PumpSession(slot);
        }
    }

    private void TakePosition(ref SessionState session, StreamKind kind, StreamPosition position)
    {
        ref var stream = ref Delivery.Deliverer.StreamOf(ref session, kind);
        if (position.Epoch == stream.Epoch && position.Seq > stream.Acked && position.Seq <= stream.HighSent)
            shard.Deliverer.TakeAck(ref session, kind, position.Seq);
    }

    private void Settle(ClientRef clientRef)
    {
        for (int slot = shard.Clients[clientRef.Slot].FirstSession, next; slot >= 0; slot = next)
        {
            next = shard.Sessions[slot].NextOfClient;
            if (shard.Takeover.Settle(slot) == ReasonCode.Ok && _room.Services.Apps.Find(shard.Sessions[slot].Key.App) is not { Enabled: true })
                shard.Ender.End(slot, SessionEnd.Kicked, ReasonCode.AppUnknown);
        }
    }

    private void Refused(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase != ConnectionPhase.Resuming)
            return;
        state.Phase = ConnectionPhase.Login;
        state.ResumeRefused = true;
        _room.Metrics.Resumed(ReasonCode.ResumeUnknown);
        shard.Output.ResumeDone(connection, null);
        shard.Lifecycle.Unpause(connection, PauseReasons.Login);
    }

    private bool IsWaiting(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        return !Unsafe.IsNullRef(ref state) && state.Phase == ConnectionPhase.Resuming;
    }

    private void Remember(ClientRef client, ResumeTarget target)
    {
        while (_movedOrder.TryPeek(out var oldest) && (oldest.Due <= shard.Now || _movedOrder.Count >= shard.Options.MaxDetachedPerShard))
            _moved.Remove(_movedOrder.Dequeue().Client);
        _moved[client] = target;
        _movedOrder.Enqueue((client, shard.Now + (long)shard.Options.GracePeriod.TotalMilliseconds));
    }
}
