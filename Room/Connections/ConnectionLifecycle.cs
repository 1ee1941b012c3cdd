using System.Net;
using System.Runtime.CompilerServices;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;
using PushSystem.Transport;

namespace PushSystem.Room.Connections;

/// <summary>
/// From accept to close: access, deadlines, pauses, errors, what becomes of the client when the socket goes. Owned by its shard,
/// used on its turn only; nothing needs disposal.
/// </summary>
internal sealed class ConnectionLifecycle(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;
    private readonly List<ConnectionRef> _blocked = [];

    public void Accepted(ConnectionRef connection, IPEndPoint remote)
    {
        ref var state = ref shard.Connections.Open(connection);
        state.Client = ClientRef.None;
        state.LastFrameAt = shard.Now;
        state.AckDue = long.MaxValue;
        state.Deadline = long.MaxValue;
        state.FrameTokens = shard.Options.FrameBurst;
        state.FrameTokensAt = shard.Now;
        var open = _room.Metrics.AddConnection(1);
        if (_room.Draining)
            Refuse(connection, ReasonCode.Draining, "the room is draining");
        else if (!_room.Access.Allows(remote.Address))
            Refuse(connection, ReasonCode.AccessDenied, "the address is not allowed");
        else if (!_room.AddressRates.TryTake(remote.Address))
            Refuse(connection, ReasonCode.RateLimited, "too many connections from this address");
        else if (open > shard.Options.MaxConnections)
            Refuse(connection, ReasonCode.Busy, "the room is full");
        else
            Reschedule(ref state, connection);
    }

    /// <summary>A whole frame has arrived: the client is alive.</summary>
    public void Renew(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase != ConnectionPhase.Ready)
            return;
        state.LastFrameAt = shard.Now;
        Reschedule(ref state, connection);
    }

    /// <summary>The interval until the client's next frame; 0 = as before. Returns it as it is in force, in seconds.</summary>
    public int SetInterval(ref ConnectionState state, int seconds)
    {
        var interval = TimeSpan.FromSeconds(seconds);
        interval = interval < shard.Options.HeartbeatMin ? shard.Options.HeartbeatMin : interval > shard.Options.HeartbeatMax ? shard.Options.HeartbeatMax : interval;
        state.Patience = (long)(interval * 1.25 + shard.Options.HeartbeatSlack).TotalMilliseconds;
        return (int)interval.TotalSeconds;
    }

    /// <summary>A stream of the connection has something in flight from now on.</summary>
    public void ExpectAck(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase != ConnectionPhase.Ready)
            return;
        var due = shard.Now + (long)shard.Options.AckTimeout.TotalMilliseconds;
        if (due >= state.AckDue)
            return;
        state.AckDue = due;
        Reschedule(ref state, connection);
    }

    /// <summary>Data was held back because output is full: nothing more is offered until it has drained.</summary>
    public void Block(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase != ConnectionPhase.Ready || state.Blocked)
            return;
        state.Blocked = true;
        state.BlockedSince = shard.Now;
        state.LeftBytes = state.SentBytes - shard.Transport.PendingBytes(connection);
        if (!state.BlockListed)
            _blocked.Add(connection);
        state.BlockListed = true;
        Reschedule(ref state, connection);
    }

    /// <summary>
    /// Lets those go on that were refused for another reason than waiting output of their own, such as the limit over all
    /// connections: for them the transport reports nothing.
    /// </summary>
    public void Tick()
    {
        for (var i = _blocked.Count - 1; i >= 0; i--)
        {
            var connection = _blocked[i];
            ref var state = ref shard.Connections.Find(connection);
            var over = Unsafe.IsNullRef(ref state) || !state.Blocked;
            if (!over && shard.Transport.PendingBytes(connection) > 0)
                continue;
            _blocked[i] = _blocked[^1];
            _blocked.RemoveAt(_blocked.Count - 1);
            if (!Unsafe.IsNullRef(ref state))
                state.BlockListed = false;
            if (!over)
                Drained(connection);
        }
    }

    public void Drained(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase != ConnectionPhase.Ready || !state.Blocked)
            return;
        state.Blocked = false;
        Reschedule(ref state, connection);
        shard.Fetches.Continue(connection);
        shard.Deliverer.PumpClient(connection);
    }

    public void Expired(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
            return;
        state.Deadline = long.MaxValue;
        var now = shard.Now;
        if (state.Phase != ConnectionPhase.Ready)
        {
            if (now >= state.LastFrameAt + (long)shard.Options.LoginTimeout.TotalMilliseconds)
                Fail(connection, ReasonCode.LoginTimeout, $"no complete LOGIN or RESUME within {shard.Options.LoginTimeout.TotalSeconds:0.###} s");
            else
                Reschedule(ref state, connection);
            return;
        }
        // What we do not read cannot count against the client.
        if (state.IsPaused)
            state.LastFrameAt = now;
        if (now >= state.LastFrameAt + state.Patience)
        {
            Fail(connection, ReasonCode.HeartbeatTimeout, "no frame within the announced interval");
            return;
        }
        var progress = OutputProgressed(ref state, connection);
        if (state.Blocked && progress)
            state.BlockedSince = now;
        if (state.Blocked && now >= state.BlockedSince + (long)shard.Options.SlowConsumerTimeout.TotalMilliseconds)
        {
            CloseSlow(connection);
            return;
        }
        if (now >= state.AckDue)
        {
            state.AckDue = shard.Deliverer.NextAckDue(state.Client);
            if (now >= state.AckDue && !progress)
            {
                Fail(connection, ReasonCode.AckTimeout, $"no ACK within {shard.Options.AckTimeout.TotalSeconds:0.###} s");
                return;
            }
            // Output still moves towards a slow peer: it cannot have acknowledged what it has not got.
            if (now >= state.AckDue)
                state.AckDue = now + (long)shard.Options.AckTimeout.TotalMilliseconds;
        }
        Reschedule(ref state, connection);
    }

    /// <summary>Ends the connection with ERROR. Its client's state is kept for RESUME.</summary>
    public void Fail(ConnectionRef connection, ReasonCode code, string text, TimeSpan window = default)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
            return;
        RoomLog.ConnectionFailed(_room.Logger, ConnectionIdOf(state), code, text);
        _room.Metrics.Closed(code);
        shard.Output.Error(connection, code, window, text);
        BeginClose(ref state, connection, CauseOf(code), linger: true);
    }

    /// <summary>Ends the connection with GOAWAY; nothing of it is kept.</summary>
    public void Dismiss(ConnectionRef connection, ReasonCode reason, TimeSpan window, IReadOnlyList<string> addresses)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
            return;
        _room.Metrics.Closed(reason);
        state.NoResume = true;
        shard.Output.GoAway(connection, reason, null, window, addresses);
        if (state.Phase != ConnectionPhase.Closing)
            BeginClose(ref state, connection, CloseCause.Requested, linger: true);
    }

    /// <summary>Ends a connection whose peer does not read: nothing more would reach it.</summary>
    public void CloseSlow(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
            return;
        _room.Metrics.SlowClose();
        _room.Metrics.Closed(ReasonCode.SlowConsumer);
        RoomLog.ConnectionFailed(_room.Logger, ConnectionIdOf(state), ReasonCode.SlowConsumer, "the client does not read");
        BeginClose(ref state, connection, CloseCause.SlowConsumer, linger: false);
    }

    /// <summary>Ends a socket whose client has been taken over by another one.</summary>
    public void Abandon(ConnectionRef connection)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state))
            return;
        state.Client = ClientRef.None;
        if (state.Phase != ConnectionPhase.Closing)
            BeginClose(ref state, connection, CloseCause.Requested, linger: false);
    }

    public void Closed(ConnectionRef connection, CloseCause cause)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state))
            return;
        var client = state.Client;
        var keep = !state.NoResume;
        RoomLog.ConnectionClosed(_room.Logger, ConnectionIdOf(state), cause);
        shard.Connections.Close(connection);
        _room.Metrics.AddConnection(-1);
        shard.Ender.SocketLost(client, connection, keep);
    }

    public void Pause(ConnectionRef connection, PauseReasons reason)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state))
            return;
        state.Paused |= reason;
        shard.Transport.PauseReceive(connection);
    }

    public void Unpause(ConnectionRef connection, PauseReasons reason)
    {
        ref var state = ref shard.Connections.Find(connection);
        if (Unsafe.IsNullRef(ref state) || (state.Paused & reason) == 0)
            return;
        state.Paused &= ~reason;
        if (state.IsPaused || state.Phase == ConnectionPhase.Closing)
            return;
        if (state.Phase == ConnectionPhase.Ready)
        {
            state.LastFrameAt = shard.Now;
            Reschedule(ref state, connection);
        }
        shard.Transport.ResumeReceive(connection);
    }

    /// <summary>Tells the transport the earliest of the connection's deadlines when it has changed.</summary>
    public void Reschedule(ref ConnectionState state, ConnectionRef connection)
    {
        var due = state.LastFrameAt + (state.Phase == ConnectionPhase.Ready ? state.Patience : (long)shard.Options.LoginTimeout.TotalMilliseconds);
        if (state.Phase == ConnectionPhase.Ready)
        {
            due = Math.Min(due, state.AckDue);
            if (state.Blocked)
                due = Math.Min(due, state.BlockedSince + (long)shard.Options.SlowConsumerTimeout.TotalMilliseconds);
        }
        if (due == state.Deadline)
            return;
        state.Deadline = due;
        shard.Transport.SetDeadline(connection, due);
    }

    private void Refuse(ConnectionRef connection, ReasonCode code, string text)
    {
        _room.Metrics.Refused(code);
        var window = ReasonCodes.AdviceFor(code) == ReconnectAdvice.Window ? shard.Options.RetryWindow : TimeSpan.Zero;
        Fail(connection, code, text, window);
    }

    private void BeginClose(ref ConnectionState state, ConnectionRef connection, CloseCause cause, bool linger)
    {
        state.Phase = ConnectionPhase.Closing;
        shard.Transport.Close(connection, cause, linger ? (int)shard.Options.CloseLinger.TotalMilliseconds : 0);
    }

    private bool OutputProgressed(ref ConnectionState state, ConnectionRef connection)
    {
        var pending = shard.Transport.PendingBytes(connection);
        var left = state.SentBytes - pending;
        var progress = pending > 0 && left > state.LeftBytes;
        state.LeftBytes = left;
        return progress;
    }

    private ulong ConnectionIdOf(in ConnectionState state)
    {
        ref var client = ref shard.Clients.Find(state.Client.Slot, state.Client.Generation);
        return Unsafe.IsNullRef(ref client) ? 0 : client.ConnectionId;
    }

    private static CloseCause CauseOf(ReasonCode code) => code switch
    {
        ReasonCode.LoginTimeout or ReasonCode.HeartbeatTimeout or ReasonCode.AckTimeout => CloseCause.Deadline,
        ReasonCode.BadFrame or ReasonCode.FrameTooLarge or ReasonCode.UnexpectedFrame or ReasonCode.UnsupportedVersion
            or ReasonCode.UnsupportedFrame or ReasonCode.UnknownTarget => CloseCause.ProtocolError,
        _ => CloseCause.Requested,
    };
}
