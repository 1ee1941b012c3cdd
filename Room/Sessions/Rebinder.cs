using PushSystem.Contracts;
using PushSystem.Room.Connections;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>
/// What the registry answered to a session that was bound again. <see cref="Entry"/> as it was sent; <see cref="Generation"/> its new
/// one, 0 when it was refused because of <see cref="Newer"/>; <see cref="Version"/> the demand that it meets.
/// </summary>
internal readonly record struct Rebinding(SessionEntry Entry, long Generation, long Newer, uint Version);

/// <summary>
/// Binds a shard's sessions again while their sockets stay as they are: after a new incarnation, or after the registry lost data.
/// Walks through the table, one batch under way, within the room's rate, and begins again when a store was away. Owned by its
/// shard, used on its turn, except that any thread may read <see cref="Left"/>; nothing needs disposal.
/// </summary>
internal sealed class Rebinder(RoomShard shard)
{
    private const int MaxBatch = 512;
    private const int MaxVisits = 4_096;

    private readonly RoomContext _room = shard.Room;
    private bool _active, _again, _posted, _asking, _asked;
    private uint _version;
    private int _cursor;
    private long _retryAt = long.MinValue;
    private int _left;

    /// <summary>Slots that the walk under way has not looked at. Any thread.</summary>
    public int Left => Volatile.Read(ref _left);

    /// <summary>There is a new demand, or a session that does not meet an old one.</summary>
    public void Start()
    {
        if (_active)
        {
            _again = true;
            return;
        }
        _active = true;
        BeginPass();
        Continue();
    }

    /// <summary>A session has come into force, or to this shard: it may have been bound under an older demand.</summary>
    public void Check(int slot)
    {
        ref var session = ref shard.Sessions[slot];
        if (!_room.Registrations.Demand.IsMet(session.Key, session.BoundVersion))
            Start();
    }

    public void Tick()
    {
        if (_active && !_posted)
            Step();
    }

    /// <summary>The registry's answer for the session at this slot. False: it is not the one that was asked for.</summary>
    public bool Answered(int slot, in Rebinding answer)
    {
        ref var session = ref shard.Sessions[slot];
        if (shard.Clients[session.Client].ConnectionId != answer.Entry.Connection || session.RegistryGeneration < answer.Entry.Generation)
            return false;
        session.Rebinding = false;
        session.BoundVersion = Math.Max(session.BoundVersion, answer.Version);
        session.RegistryGeneration = Math.Max(session.RegistryGeneration, answer.Generation);
        session.SupersededBy = Math.Max(session.SupersededBy, answer.Newer);
        // Who appended while the entry did not count found nobody to deliver to: the next look at the store decides alone.
        session.Mailbox.Suspect = long.MaxValue;
        session.Broadcast.Suspect = long.MaxValue;
        if (shard.Clients[session.Client].Phase is ClientPhase.Attached or ClientPhase.Detached)
            shard.Takeover.Settle(slot);
        return true;
    }

    private void BeginPass()
    {
        _again = false;
        _cursor = 0;
        _version = _room.Registrations.Demand.Version;
    }

    private void Continue()
    {
        _posted = shard.Post(static next => next.Step(), this);
    }

    private void Step()
    {
        _posted = false;
        // Without an incarnation there is nothing to bind to; the next tick looks again.
        if (!_active || _asking || shard.Now < _retryAt || _room.IsFenced)
            return;
        var budget = _room.Registrations.Budget;
        budget.Rate = shard.Options.ReflushRate;
        var wanted = budget.Take(MaxBatch);
        if (wanted == 0)
            return;
        var begin = _cursor;
        var demand = _room.Registrations.Demand;
        var entries = Collect(wanted, demand);
        budget.Return(wanted - entries.Count);
        Volatile.Write(ref _left, Math.Max(0, shard.Sessions.HighWater - _cursor));
        if (entries.Count > 0)
        {
            _asking = _asked = true;
            _ = AskAsync(entries, demand.Version, begin);
        }
        else if (_cursor < shard.Sessions.HighWater)
        {
            Continue();
        }
        else
        {
            EndPass();
        }
    }

    private List<SessionEntry> Collect(int wanted, RegistryDemand demand)
    {
        var entries = new List<SessionEntry>();
        // After the demand: see Binder.
        var identity = _room.Identity;
        for (var visits = MaxVisits; _cursor < shard.Sessions.HighWater && visits > 0 && entries.Count < wanted; _cursor++, visits--)
        {
            if (!shard.Sessions.IsUsed(_cursor))
                continue;
            ref var session = ref shard.Sessions[_cursor];
            ref var client = ref shard.Clients[session.Client];
            // Those that are being bound or moved are looked at when that is done.
            var isMoving = client.Phase is not (ClientPhase.Attached or ClientPhase.Detached);
            _again |= isMoving;
            if (isMoving || session.Phase != SessionPhase.Open)
                continue;
            if (demand.IsMet(session.Key, session.BoundVersion))
            {
                session.BoundVersion = demand.Version;
                continue;
            }
            session.Rebinding = true;
            entries.Add(new SessionEntry
            {
                Key = session.Key,
                Room = identity.NodeId,
                Incarnation = identity.Incarnation,
                Connection = client.ConnectionId,
                Generation = session.RegistryGeneration,
                Device = client.Device,
                RemoteAddress = client.Phase == ClientPhase.Attached ? shard.Transport.RemoteEndPoint(client.Connection)?.ToString() ?? "" : "",
                BoundAt = session.BoundAt,
            });
        }
        return entries;
    }

    private async Task AskAsync(List<SessionEntry> entries, uint version, int begin)
    {
        bool done = false, again = false;
        try
        {
            var replies = await _room.Stores.AskAsync(cancellationToken => _room.Services.Registry.BindAsync(entries, cancellationToken));
            if (replies.Count == entries.Count)
            {
                again = await TakeAsync(entries, replies, version);
                done = true;
            }
        }
        catch (Exception exception)
        {
            _room.CallFailed("ISessionRegistry.BindAsync", exception);
        }
        shard.Post(static next => next.Rebinder.Completed(next.Begin, next.Done, next.Again),
            (Rebinder: this, Begin: begin, Done: done, Again: again));
    }

    // True when some are not settled by this.
    private async Task<bool> TakeAsync(List<SessionEntry> entries, IReadOnlyList<BindReply> replies, uint version)
    {
        var refused = new List<UserKey>();
        var previous = new List<SessionEntry>();
        for (var i = 0; i < replies.Count; i++)
        {
            if (replies[i].Generation == 0)
                refused.Add(entries[i].Key);
            else if (replies[i].Previous is { } other)
                previous.Add(other);
        }
        shard.Takeover.Announce([], previous);
        var stored = refused.Count == 0 ? [] : await _room.Stores.AskAsync(cancellationToken =>
            _room.Services.Registry.LookupAsync(refused, cancellationToken));
        var answers = new List<Rebinding>(entries.Count);
        var again = false;
        for (int i = 0, next = 0; i < entries.Count; i++)
        {
            if (replies[i].Generation != 0)
            {
                answers.Add(new Rebinding(entries[i], replies[i].Generation, 0, version));
                continue;
            }
            var judged = JudgeRefusal(entries[i], stored[next++], version);
            again |= judged is not { Version: > 0 };
            if (judged is { } answer)
                answers.Add(answer);
        }
        var batch = new RebindBatch(_room, answers);
        batch.Start();
        var found = await batch.Task;
        var (bound, replaced, gone) = (0, 0, 0);
        for (var i = 0; i < answers.Count; i++)
        {
            var answer = answers[i];
            if (answer.Generation == 0)
                replaced++;
            else if (found[i])
                bound++;
            else
                gone++;
            // It ended while it was being bound: its own removal named the generation before.
            if (!found[i] && answer.Generation != 0)
                _room.Unregistrar.Enqueue(new UnbindRequest(answer.Entry with { Generation = answer.Generation }, null, ClientRef.None));
        }
        _room.Metrics.Rebound(bound, replaced, gone);
        return again;
    }

    // Refused: somebody has a higher generation. It may be this very session, bound by an earlier attempt whose answer was lost.
    private Rebinding? JudgeRefusal(SessionEntry entry, SessionEntry? stored, uint version)
    {
        if (stored is null)
            return null;
        var isOwn = stored.Room == entry.Room && stored.Connection == entry.Connection && stored.Incarnation >= _room.FirstIncarnation;
        if (!isOwn)
            return stored.Generation > entry.Generation ? new Rebinding(entry, 0, stored.Generation, version) : null;
        // Under an incarnation of before it does not count: it is bound once more, with the generation that is known now.
        return new Rebinding(entry, stored.Generation, 0, stored.Incarnation == entry.Incarnation ? version : 0);
    }

    private void Completed(int begin, bool done, bool again)
    {
        _asking = false;
        _again |= again;
        if (!done)
        {
            _retryAt = shard.Now + (long)shard.Options.StoreRetryDelay.TotalMilliseconds;
            _cursor = Math.Min(_cursor, begin);
            return;
        }
        Continue();
    }

    private void EndPass()
    {
        // Some were moving, or refused without a reason that holds, or there is a new demand.
        if (_again || _room.Registrations.Demand.Version != _version)
        {
            BeginPass();
            _retryAt = shard.Now + 1; // At the next tick.
            return;
        }
        _active = false;
        Volatile.Write(ref _left, 0);
        if (_asked)
            shard.Positions.Hurry();
        _asked = false;
        _room.Registrations.Done(shard.Index, _version);
    }
}
