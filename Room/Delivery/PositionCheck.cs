using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;

namespace PushSystem.Room.Delivery;

/// <summary>
/// Compares the streams of a shard's sessions with the stores, round after round, a batch per tick, and moves on those that
/// stay behind: what a crash between append and delivery left. Owned by its shard, used on its turn; nothing needs disposal.
/// </summary>
internal sealed class PositionCheck(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;
    private long _nextRound = long.MinValue;
    private long _roundStarted;
    private int _cursor = -1;
    private bool _asking;

    public void Tick(long now)
    {
        if (_nextRound == long.MinValue)
            _nextRound = now + (long)shard.Options.PositionCheckInterval.TotalMilliseconds;
        if (_asking)
            return;
        if (_cursor < 0)
        {
            if (now < _nextRound)
                return;
            _nextRound = now + (long)shard.Options.PositionCheckInterval.TotalMilliseconds;
            _roundStarted = now;
            _cursor = 0;
            foreach (var app in shard.Apps.Values.ToArray())
            {
                shard.Fanouts.Release(app);
                if (_room.Services.Apps.Find(app.Id) is { Enabled: true })
                    _ = AskReleasedAsync(app);
                else
                    Expel(app, app.Count - 1);
            }
        }
        Step();
    }

    /// <summary>Looks at everything soon: deliveries may have missed this room for a while.</summary>
    public void Hurry()
    {
        _nextRound = _nextRound == long.MinValue ? shard.Now : Math.Min(_nextRound, shard.Now);
        foreach (var app in shard.Apps.Values)
            app.ChecksLeft = 2;
    }

    private void Step()
    {
        var sessions = new List<(int Slot, uint Generation)>();
        var keys = new List<UserKey>();
        for (; _cursor < shard.Sessions.HighWater && keys.Count < shard.Options.PositionCheckBatch; _cursor++)
        {
            if (!IsChecked(_cursor))
                continue;
            sessions.Add((_cursor, shard.Sessions.GenerationOf(_cursor)));
            keys.Add(shard.Sessions[_cursor].Key);
        }
        if (_cursor >= shard.Sessions.HighWater)
            _cursor = -1;
        if (keys.Count == 0)
            return;
        _asking = true;
        _ = AskAsync(sessions, keys);
    }

    private async Task AskAsync(List<(int Slot, uint Generation)> sessions, List<UserKey> keys)
    {
        IReadOnlyList<StreamPosition> positions = [];
        try
        {
            positions = await _room.Stores.AskAsync(cancellationToken => _room.Services.Mailboxes.PositionsAsync(keys, cancellationToken));
        }
        catch (Exception exception)
        {
            _room.CallFailed("IMailboxes.PositionsAsync", exception);
        }
        shard.Post(static done => done.Check.Answered(done.Sessions, done.Positions), (Check: this, Sessions: sessions, Positions: positions));
    }

    private void Answered(List<(int Slot, uint Generation)> sessions, IReadOnlyList<StreamPosition> positions)
    {
        _asking = false;
        for (var i = 0; i < Math.Min(sessions.Count, positions.Count); i++)
        {
            if (shard.Sessions.IsLive(sessions[i].Slot, sessions[i].Generation) && IsChecked(sessions[i].Slot))
                Compare(sessions[i].Slot, StreamKind.Mailbox, positions[i]);
        }
        if (positions.Count > 0 && IsLate())
            Step();
    }

    // One batch per tick is enough for few sessions; with many, a round has to end before the next one is due.
    private bool IsLate() => _cursor >= 0
        && _cursor < shard.Sessions.HighWater * (shard.Now - _roundStarted) / Math.Max(1, _nextRound - _roundStarted);

    private async Task AskReleasedAsync(ShardApp app)
    {
        StreamPosition released;
        try
        {
            released = await _room.Stores.AskAsync(cancellationToken => _room.Services.Broadcasts.ReleasedAsync(app.Id, cancellationToken));
        }
        catch (Exception exception)
        {
            _room.CallFailed("IBroadcastLog.ReleasedAsync", exception);
            return;
        }
        shard.Post(static done => done.Check.BeginWalk(done.App, done.Released), (Check: this, App: app, Released: released));
    }

    private void BeginWalk(ShardApp app, StreamPosition released)
    {
        // What every session was found to have needs no second look; a change needs two, see Compare.
        if (released != app.Released)
        {
            app.Released = released;
            app.ChecksLeft = 2;
        }
        if (app.ChecksLeft == 0 || released.Epoch == 0)
            return;
        app.ChecksLeft--;
        Walk(app, app.Count - 1);
    }

    // From the end to the front, so that a session that fills a hole behind the cursor was seen before.
    private void Walk(ShardApp app, int cursor)
    {
        cursor = Math.Min(cursor, app.Count - 1);
        for (var left = shard.Options.FanoutChunk; cursor >= 0 && left > 0; cursor--, left--)
        {
            if (IsChecked(app[cursor]))
                Compare(app[cursor], StreamKind.Broadcast, app.Released);
        }
        if (cursor >= 0)
            shard.Post(static next => next.Check.Walk(next.App, next.Cursor), (Check: this, App: app, Cursor: cursor));
    }

    // The app was disabled or is gone: its sessions end, the connections may have others. Those on the move are met next time.
    private void Expel(ShardApp app, int cursor)
    {
        cursor = Math.Min(cursor, app.Count - 1);
        for (var left = shard.Options.FanoutChunk; cursor >= 0 && left > 0; cursor--, left--)
        {
            if (shard.Clients[shard.Sessions[app[cursor]].Client].Phase is ClientPhase.Attached or ClientPhase.Detached)
                shard.Ender.End(app[cursor], SessionEnd.Kicked, ReasonCode.AppUnknown);
        }
        if (cursor >= 0)
            shard.Post(static next => next.Check.Expel(next.App, next.Cursor), (Check: this, App: app, Cursor: cursor));
    }

    // One look is not enough: the message may be on its way here.
    private void Compare(int slot, StreamKind kind, StreamPosition actual)
    {
        ref var stream = ref Deliverer.StreamOf(ref shard.Sessions[slot], kind);
        if (actual.Epoch == 0)
            return;
        if (actual.Epoch != stream.Epoch)
        {
            if (!stream.Dirty)
                _room.Metrics.Repair();
            stream.Dirty = true;
            shard.Deliverer.Pump(slot, kind);
            return;
        }
        if (actual.Seq <= stream.Top)
        {
            stream.Suspect = 0;
            return;
        }
        if (stream.Suspect == 0 || stream.Suspect <= stream.Top)
        {
            stream.Suspect = actual.Seq;
            return;
        }
        stream.Suspect = 0;
        _room.Metrics.Repair();
        shard.Deliverer.Offer(slot, kind, actual.Epoch, actual.Seq);
    }

    private bool IsChecked(int slot) => shard.Sessions.IsUsed(slot) && shard.Sessions[slot].Phase == SessionPhase.Open
        && shard.Clients[shard.Sessions[slot].Client].Phase == ClientPhase.Attached;
}
