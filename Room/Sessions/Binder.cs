using System.Runtime.CompilerServices;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Connections;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>
/// LOGIN and BIND: checks tickets, puts sessions into the index, then the registry, then opens the mailboxes, in this order, so
/// that a message appended meanwhile is seen on one way or the other. Owned by its shard, used on its turn; nothing needs
/// disposal. What was begun is undone when the connection has gone in between.
/// </summary>
internal sealed class Binder(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;

    /// <summary>LOGIN and BIND operations under way, those of lost connections included.</summary>
    public int Active { get; private set; }

    public void Login(ConnectionRef connection, LoginMessage message)
    {
        if (_room.Draining)
        {
            Refuse(connection, ReasonCode.Draining, "the room is draining");
            return;
        }
        if (_room.IsFenced)
        {
            Refuse(connection, ReasonCode.Busy, "the room has lost its place in the cluster for the moment");
            return;
        }
        var holdsGate = message.Bindings.Count > 0;
        if (holdsGate && !_room.Logins.TryEnter(shard.Options.MaxConcurrentLogins))
        {
            Refuse(connection, ReasonCode.Busy, "too many logins at once");
            return;
        }
        ref var state = ref shard.Connections.Find(connection);
        shard.Lifecycle.SetInterval(ref state,
            message.NextIntervalSeconds == 0 ? (int)shard.Options.HeartbeatDefault.TotalSeconds : message.NextIntervalSeconds);
        var slot = shard.Clients.Allocate(out var generation);
        var clientRef = new ClientRef(slot, generation);
        ref var client = ref shard.Clients[slot];
        client.ConnectionId = _room.NextConnectionId();
        client.Connection = connection;
        client.Device = message.Device;
        client.FirstSession = -1;
        state.Client = clientRef;
        state.Phase = ConnectionPhase.LoggingIn;
        shard.Lifecycle.Pause(connection, PauseReasons.Login);
        var items = new BindItem[message.Bindings.Count];
        for (var i = 0; i < items.Length; i++)
            items[i] = new BindItem(message.Bindings[i]);
        Begin(new BindOperation(shard, connection, clientRef, client.ConnectionId, null, items) { HoldsGate = holdsGate });
    }

    /// <summary>False: it has to wait for calls of this connection that are under way; receiving was paused.</summary>
    public bool Bind(ConnectionRef connection, BindMessage message)
    {
        ref var state = ref shard.Connections.Find(connection);
        var clientRef = state.Client;
        ref var client = ref shard.Clients[clientRef.Slot];
        if (_room.Draining || _room.IsFenced || (client.Calls > 0 && _room.Unregistrar.IsFailing))
        {
            Answer(connection, message.RequestId, new BindResult(ReasonCode.BindUnavailable, 0, default, default));
            return true;
        }
        if (client.Calls > 0)
        {
            shard.Lifecycle.Pause(connection, PauseReasons.Binding);
            return false;
        }
        Begin(new BindOperation(shard, connection, clientRef, client.ConnectionId, message.RequestId, [new BindItem(message.Binding)]));
        return true;
    }

    private void Begin(BindOperation operation)
    {
        var entries = new List<SessionEntry>(operation.Items.Length);
        foreach (var item in operation.Items)
        {
            item.Code = Reserve(operation, item);
            if (item.Code != ReasonCode.Ok || item.Repeated)
                continue;
            operation.Asked.Add(item);
            entries.Add(item.Entry!);
        }
        shard.Clients[operation.Client.Slot].Calls++;
        Active++;
        if (entries.Count == 0)
            Finish(operation);
        else
            _ = RegisterAsync(operation, entries);
    }

    private ReasonCode Reserve(BindOperation operation, BindItem item)
    {
        ref var client = ref shard.Clients[operation.Client.Slot];
        var request = item.Request;
        for (var other = client.FirstSession; other >= 0; other = shard.Sessions[other].NextOfClient)
        {
            ref var bound = ref shard.Sessions[other];
            if (bound.Key.User != request.User || bound.Key.App != request.App)
                continue;
            item.Repeated = bound.Unconfirmed;
            item.Slot = other;
            item.Generation = shard.Sessions.GenerationOf(other);
            return bound.Unconfirmed ? ReasonCode.Ok : ReasonCode.AlreadyBound;
        }
        if (client.Sessions >= shard.Options.MaxBindings || client.NextAppIndex + client.Sessions > ProtocolLimits.MaxAppIndex)
            return ReasonCode.TooManyBindings;
        if (_room.Services.Apps.Find(request.App) is not { Enabled: true } app)
            return ReasonCode.AppUnknown;
        var verdict = Ticket.Verify(request.Ticket.Span, app.SigningKeys, app.Id, request.User, _room.Time.GetUtcNow());
        if (verdict != ReasonCode.Ok)
            return verdict;
        item.Slot = shard.Sessions.Allocate(out var generation);
        item.Generation = generation;
        ref var session = ref shard.Sessions[item.Slot];
        session.Key = new UserKey(app.Id, request.User);
        session.Pull = request.Pull;
        session.Client = operation.Client.Slot;
        session.AppPlace = -1;
        session.AppIndex = -1;
        // Before the identity is read: a change of it comes first and is demanded afterwards.
        session.BoundVersion = _room.Registrations.Demand.Version;
        session.BoundAt = _room.UnixNow;
        var identity = _room.Identity;
        session.NextOfClient = client.FirstSession;
        client.FirstSession = item.Slot;
        client.Sessions++;
        _room.Metrics.AddSession(1);
        _room.Index.Add(session.Key, new SessionRef(shard.Index, item.Slot, generation));
        item.Entry = new SessionEntry
        {
            Key = session.Key,
            Room = identity.NodeId,
            Incarnation = identity.Incarnation,
            Connection = operation.ConnectionId,
            Device = client.Device,
            RemoteAddress = shard.Transport.RemoteEndPoint(operation.Connection)?.ToString() ?? "",
            BoundAt = session.BoundAt,
        };
        return ReasonCode.Ok;
    }

    private async Task RegisterAsync(BindOperation operation, List<SessionEntry> entries)
    {
        try
        {
            operation.Registered = await _room.Stores.AskAsync(cancellationToken => _room.Services.Registry.BindAsync(entries, cancellationToken));
            operation.Failed = operation.Registered.Count != entries.Count;
        }
        catch (Exception exception)
        {
            operation.Failed = true;
            _room.CallFailed("ISessionRegistry.BindAsync", exception);
        }
        shard.Post(static done => done.Shard.Binder.Registered(done), operation);
    }

    private void Registered(BindOperation operation)
    {
        var asked = operation.Asked;
        var open = new List<BindItem>(asked.Count);
        var announced = new List<(UserKey, long, SessionRef)>(asked.Count);
        var previous = new List<SessionEntry>();
        for (var i = 0; i < asked.Count; i++)
        {
            var item = asked[i];
            var reply = operation.Failed ? default : operation.Registered[i];
            var alive = shard.Sessions.IsLive(item.Slot, item.Generation);
            if (reply.Generation == 0)
            {
                Undo(operation, item, ReasonCode.BindUnavailable, registered: operation.Failed);
                continue;
            }
            item.Entry = item.Entry! with { Generation = reply.Generation };
            announced.Add((item.Entry.Key, reply.Generation, new SessionRef(shard.Index, item.Slot, item.Generation)));
            if (reply.Previous is { } replaced)
                previous.Add(replaced);
            if (!alive)
            {
                Undo(operation, item, ReasonCode.BindUnavailable, registered: true);
                continue;
            }
            shard.Sessions[item.Slot].RegistryGeneration = reply.Generation;
            if (StillWanted(operation, item))
                open.Add(item);
        }
        shard.Takeover.Announce(announced, previous);
        operation.Asked = open;
        if (open.Count == 0)
            Finish(operation);
        else
            _ = OpenAsync(operation, open);
    }

    private async Task OpenAsync(BindOperation operation, List<BindItem> items)
    {
        var requests = new OpenRequest[items.Count];
        for (var i = 0; i < requests.Length; i++)
            requests[i] = new OpenRequest(items[i].Entry!.Key, items[i].Request.Mailbox, items[i].Request.Broadcast);
        try
        {
            operation.Opened = await _room.Stores.AskAsync(cancellationToken => _room.Services.Mailboxes.OpenAsync(requests, cancellationToken));
            operation.Failed = operation.Opened.Count != requests.Length;
        }
        catch (Exception exception)
        {
            operation.Failed = true;
            _room.CallFailed("IMailboxes.OpenAsync", exception);
        }
        shard.Post(static done => done.Shard.Binder.Opened(done), operation);
    }

    private void Opened(BindOperation operation)
    {
        var asked = operation.Asked;
        for (var i = 0; i < asked.Count; i++)
        {
            var item = asked[i];
            if (operation.Failed || !shard.Sessions.IsLive(item.Slot, item.Generation))
                Undo(operation, item, ReasonCode.BindUnavailable, registered: true);
            else if (StillWanted(operation, item))
                Establish(operation, item, operation.Opened[i]);
        }
        Finish(operation);
    }

    private void Establish(BindOperation operation, BindItem item, in OpenReply opening)
    {
        ref var session = ref shard.Sessions[item.Slot];
        session.Phase = SessionPhase.Open;
        session.AppIndex = shard.Clients[operation.Client.Slot].NextAppIndex++;
        item.Opening = opening;
        var (notedEpoch, notedTop, notedDirty) = (session.Mailbox.Epoch, session.Mailbox.Top, session.Mailbox.Dirty);
        session.Mailbox.Open(opening.Mailbox.Epoch, opening.Mailbox.Seq, opening.Mailbox.Top, shard.Rings);
        if (notedEpoch == opening.Mailbox.Epoch)
            session.Mailbox.Top = Math.Max(session.Mailbox.Top, notedTop);
        session.Mailbox.Dirty = notedDirty || (notedEpoch != 0 && notedEpoch != opening.Mailbox.Epoch);
        session.Broadcast.Open(opening.Broadcast.Epoch, opening.Broadcast.Seq, opening.Broadcast.Top, shard.Rings);
        shard.Fanouts.Join(item.Slot);
        shard.Rebinder.Check(item.Slot);
        item.Result = ResultOf(session);
    }

    // Answers the client, then lets the streams flow: nothing of a binding may reach the client before its index does.
    private void Finish(BindOperation operation)
    {
        Active--;
        if (operation.HoldsGate)
            _room.Logins.Leave();
        ref var client = ref shard.Clients.Find(operation.Client.Slot, operation.Client.Generation);
        var alive = !Unsafe.IsNullRef(ref client);
        foreach (var item in operation.Items)
        {
            _room.Metrics.Bound(item.Code);
            if (item.Repeated && alive)
                Repeat(item);
            else if (item.Code != ReasonCode.Ok)
                item.Result = new BindResult(item.Code, 0, default, default);
        }
        if (!alive)
            return;
        if (operation.RequestId is { } requestId)
        {
            Answer(client.Connection, requestId, operation.Items[0].Result);
        }
        else
        {
            ref var state = ref shard.Connections.Find(operation.Connection);
            if (!Unsafe.IsNullRef(ref state) && state.Phase == ConnectionPhase.LoggingIn)
            {
                client.Established = true;
                state.Phase = ConnectionPhase.Ready;
                state.LastFrameAt = shard.Now;
                shard.Lifecycle.Reschedule(ref state, operation.Connection);
                var settings = SettingsFactory.Create(shard, operation.Client, state.Version);
                shard.Output.LoginDone(operation.Connection, settings, Array.ConvertAll(operation.Items, item => item.Result));
                shard.Lifecycle.Unpause(operation.Connection, PauseReasons.Login);
            }
        }
        foreach (var item in operation.Items)
        {
            if (item.Code == ReasonCode.Ok && shard.Sessions.IsLive(item.Slot, item.Generation))
                Start(item);
        }
        shard.Ender.CallDone(operation.Client);
    }

    private void Start(BindItem item)
    {
        ref var session = ref shard.Sessions[item.Slot];
        if (!item.Repeated)
        {
            if (item.Opening.Mailbox.Gap != ResetReason.None)
                shard.Deliverer.TellGap(item.Slot, StreamKind.Mailbox, item.Opening.Mailbox.Gap);
            if (item.Opening.Broadcast.Gap != ResetReason.None)
                shard.Deliverer.TellGap(item.Slot, StreamKind.Broadcast, item.Opening.Broadcast.Gap);
            _room.Presence.Report(session.Key, online: true, session.RegistryGeneration, item.Entry!.Device);
        }
        shard.Deliverer.PumpSession(item.Slot);
    }

    private void Repeat(BindItem item)
    {
        ref var session = ref shard.Sessions.Find(item.Slot, item.Generation);
        if (Unsafe.IsNullRef(ref session))
            return;
        session.Unconfirmed = false;
        session.Pull = item.Request.Pull;
        session.Mailbox.Rewind(shard.Rings);
        session.Broadcast.Rewind(shard.Rings);
        item.Result = ResultOf(session);
    }

    private bool StillWanted(BindOperation operation, BindItem item)
    {
        var verdict = shard.Takeover.Settle(item.Slot);
        if (verdict == ReasonCode.Ok)
            return true;
        Undo(operation, item, verdict, registered: verdict != ReasonCode.Replaced);
        return false;
    }

    private void Undo(BindOperation operation, BindItem item, ReasonCode code, bool registered)
    {
        item.Code = code;
        if (shard.Sessions.IsLive(item.Slot, item.Generation))
            shard.Ender.Discard(item.Slot);
        if (registered)
            shard.Ender.Unregister(item.Entry!, operation.Client);
    }

    private void Answer(ConnectionRef connection, long requestId, in BindResult result) =>
        shard.Output.BindDone(connection, requestId, result);

    private void Refuse(ConnectionRef connection, ReasonCode code, string text)
    {
        _room.Metrics.Refused(code);
        shard.Lifecycle.Fail(connection, code, text, shard.Options.RetryWindow);
    }

    private static BindResult ResultOf(in SessionState session) => new(ReasonCode.Ok, session.AppIndex,
        new StreamPosition(session.Mailbox.Epoch, session.Mailbox.Acked), new StreamPosition(session.Broadcast.Epoch, session.Broadcast.Acked));
}
