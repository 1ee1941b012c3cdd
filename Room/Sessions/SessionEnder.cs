using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>
/// Ends sessions and clients: unbind, kick, replacement, lost sockets and their grace period. Owned by its shard, used on its turn
/// only; nothing needs disposal.
/// </summary>
internal sealed class SessionEnder(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;
    // The grace period is the same for all, so that the queue is in order of time; entries of clients that came back are stale.
    private readonly Queue<(ClientRef Client, long Due)> _grace = new();

    /// <summary>Clients without a socket on this shard.</summary>
    public int Detached { get; private set; }

    /// <summary>False: the index was never given on this connection. One that has ended already is no error.</summary>
    public bool Unbind(ConnectionRef connection, int appIndex)
    {
        ref var state = ref shard.Connections.Find(connection);
        ref var client = ref shard.Clients[state.Client.Slot];
        if (appIndex >= client.NextAppIndex)
            return false;
        var slot = FindByIndex(state.Client.Slot, appIndex);
        if (slot >= 0)
            End(slot, SessionEnd.Unbound, ReasonCode.Ok);
        return true;
    }

    /// <summary>The slot of the client's session with this index, -1 = none now.</summary>
    public int FindByIndex(int client, int appIndex)
    {
        for (var slot = shard.Clients[client].FirstSession; slot >= 0; slot = shard.Sessions[slot].NextOfClient)
        {
            if (shard.Sessions[slot].AppIndex == appIndex)
                return slot;
        }
        return -1;
    }

    /// <summary>Ends an open session: tells the client, the registry and the coordinator what they have to know.</summary>
    public void End(int slot, SessionEnd end, ReasonCode reason)
    {
        var clientRef = ClientOf(slot);
        Close(slot, end, reason);
        ref var client = ref shard.Clients[clientRef.Slot];
        if (client.Phase == ClientPhase.Attached && end is SessionEnd.Kicked or SessionEnd.Replaced)
        {
            if (client.Sessions == 0)
                shard.Lifecycle.Dismiss(client.Connection, reason, WindowFor(reason), []);
        }
        else if (client.Phase == ClientPhase.Detached && client.Sessions == 0)
        {
            FreeDetached(clientRef);
        }
    }

    /// <summary>Takes back a session that never came into force.</summary>
    public void Discard(int slot) => Remove(slot);

    /// <summary>
    /// The registry forgets the entry if it is still the one that was bound. Where it is not known whether it was (no generation), the
    /// client binds nothing anew until the registry has answered: the request could hit a newer entry of the same connection.
    /// </summary>
    public void Unregister(SessionEntry entry, ClientRef clientRef)
    {
        ref var client = ref shard.Clients.Find(clientRef.Slot, clientRef.Generation);
        if (entry.Generation != 0 || Unsafe.IsNullRef(ref client))
        {
            _room.Unregistrar.Enqueue(new UnbindRequest(entry, null, ClientRef.None));
            return;
        }
        client.Calls++;
        _room.Unregistrar.Enqueue(new UnbindRequest(entry, shard, clientRef));
    }

    /// <summary>A registry call for this client has ended.</summary>
    public void CallDone(ClientRef clientRef)
    {
        ref var client = ref shard.Clients.Find(clientRef.Slot, clientRef.Generation);
        if (Unsafe.IsNullRef(ref client) || --client.Calls > 0)
            return;
        shard.Lifecycle.Unpause(client.Connection, Connections.PauseReasons.Binding);
    }

    /// <summary>A socket has gone. Its client is kept for the grace period if it may come back, else ended.</summary>
    public void SocketLost(ClientRef clientRef, ConnectionRef connection, bool keep)
    {
        ref var client = ref shard.Clients.Find(clientRef.Slot, clientRef.Generation);
        if (Unsafe.IsNullRef(ref client) || client.Connection != connection)
            return;
        client.Connection = ConnectionRef.None;
        if (client.Phase == ClientPhase.Arriving)
            return; // Decided when the move is complete.
        for (int slot = client.FirstSession, next; slot >= 0; slot = next)
        {
            next = shard.Sessions[slot].NextOfClient;
            if (shard.Sessions[slot].Phase == SessionPhase.Binding)
                Remove(slot);
        }
        if (keep && client.Established && client.Sessions > 0)
            Detach(clientRef);
        else
            EndClient(clientRef, _room.Draining ? SessionEnd.Drained : SessionEnd.GraceOver);
    }

    /// <summary>The client has no socket from now on; its grace period begins.</summary>
    public void Detach(ClientRef clientRef)
    {
        ref var client = ref shard.Clients[clientRef.Slot];
        client.Phase = ClientPhase.Detached;
        client.Connection = ConnectionRef.None;
        client.GraceEnds = shard.Now + (long)shard.Options.GracePeriod.TotalMilliseconds;
        for (var slot = client.FirstSession; slot >= 0; slot = shard.Sessions[slot].NextOfClient)
        {
            ref var session = ref shard.Sessions[slot];
            if (session.Mailbox.InFlight > 0)
                session.DetachedHead = session.Mailbox.Head;
            if (session.Pull)
            {
                session.Mailbox.Clear(shard.Rings);
                session.Broadcast.Clear(shard.Rings);
            }
            else
            {
                session.Mailbox.Rewind(shard.Rings);
                session.Broadcast.Rewind(shard.Rings);
            }
        }
        Detached++;
        _room.Metrics.AddDetached(1);
        _grace.Enqueue((clientRef, client.GraceEnds));
        while (Detached > shard.Options.MaxDetachedPerShard && _grace.TryDequeue(out var oldest))
        {
            if (!IsWaiting(oldest))
                continue;
            _room.Metrics.Dropped("detached");
            EndClient(oldest.Client, SessionEnd.GraceOver);
        }
    }

    /// <summary>The client is no longer without a socket.</summary>
    public void Reattached(ref ClientState client)
    {
        if (client.Phase != ClientPhase.Detached)
            return;
        Detached--;
        _room.Metrics.AddDetached(-1);
    }

    /// <summary>A client has resumed: it is told which bindings ended meanwhile.</summary>
    public void TellEndedAway(ref ClientState client)
    {
        if (client.EndedAway is not { } ended)
            return;
        client.EndedAway = null;
        foreach (var (index, reason) in ended)
            shard.Output.GoAway(client.Connection, reason, index, WindowFor(reason), []);
    }

    /// <summary>Ends every session of the client and forgets it.</summary>
    public void EndClient(ClientRef clientRef, SessionEnd end)
    {
        ref var client = ref shard.Clients.Find(clientRef.Slot, clientRef.Generation);
        if (Unsafe.IsNullRef(ref client))
            return;
        while (client.FirstSession >= 0)
        {
            var slot = client.FirstSession;
            if (shard.Sessions[slot].Phase == SessionPhase.Open)
                Close(slot, end, ReasonCode.Ok);
            else
                Remove(slot);
        }
        Reattached(ref client);
        shard.Clients.Free(clientRef.Slot);
    }

    public void Tick(long now)
    {
        while (_grace.TryPeek(out var oldest) && (oldest.Due <= now || !IsWaiting(oldest)))
        {
            _grace.Dequeue();
            if (IsWaiting(oldest))
                EndClient(oldest.Client, SessionEnd.GraceOver);
        }
    }

    /// <summary>Takes a session out of every list of this shard without telling anybody.</summary>
    public void Remove(int slot)
    {
        ref var session = ref shard.Sessions[slot];
        ref var client = ref shard.Clients[session.Client];
        ref var link = ref client.FirstSession;
        while (link != slot)
            link = ref shard.Sessions[link].NextOfClient;
        link = session.NextOfClient;
        client.Sessions--;
        _room.Index.Remove(session.Key, new SessionRef(shard.Index, slot, shard.Sessions.GenerationOf(slot)));
        session.Mailbox.Clear(shard.Rings);
        session.Broadcast.Clear(shard.Rings);
        shard.Fanouts.Leave(slot);
        shard.Sessions.Free(slot);
        _room.Metrics.AddSession(-1);
    }

    private void Close(int slot, SessionEnd end, ReasonCode reason)
    {
        ref var session = ref shard.Sessions[slot];
        ref var client = ref shard.Clients[session.Client];
        var (key, index, generation, device, connectionId) =
            (session.Key, session.AppIndex, session.RegistryGeneration, client.Device, client.ConnectionId);
        Remove(slot);
        RoomLog.SessionEnded(_room.Logger, key, connectionId, end);
        if (end is SessionEnd.Kicked or SessionEnd.Replaced && client.Sessions > 0)
        {
            if (client.Phase == ClientPhase.Attached)
                shard.Output.GoAway(client.Connection, reason, index, WindowFor(reason), []);
            else
                (client.EndedAway ??= []).Add((index, reason));
        }
        // A replaced session's entry is the newer one's, and the user is still online.
        if (end == SessionEnd.Replaced)
            return;
        var entry = new SessionEntry
        {
            Key = key,
            Room = _room.Identity.NodeId,
            Incarnation = _room.Identity.Incarnation,
            Connection = connectionId,
            Generation = generation,
        };
        Unregister(entry, ClientRef.None);
        _room.Presence.Report(key, online: false, generation, device);
    }

    private ClientRef ClientOf(int slot)
    {
        var client = shard.Sessions[slot].Client;
        return new ClientRef(client, shard.Clients.GenerationOf(client));
    }

    private void FreeDetached(ClientRef clientRef)
    {
        Reattached(ref shard.Clients[clientRef.Slot]);
        shard.Clients.Free(clientRef.Slot);
    }

    private bool IsWaiting((ClientRef Client, long Due) entry)
    {
        ref var client = ref shard.Clients.Find(entry.Client.Slot, entry.Client.Generation);
        return !Unsafe.IsNullRef(ref client) && client.Phase == ClientPhase.Detached && client.GraceEnds == entry.Due;
    }

    private TimeSpan WindowFor(ReasonCode reason) =>
        ReasonCodes.AdviceFor(reason) == ReconnectAdvice.Window ? shard.Options.RetryWindow : TimeSpan.Zero;
}
