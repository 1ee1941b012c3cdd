using PushSystem.Protocol;
using PushSystem.Contracts;
using PushSystem.Room.Sessions;
using PushSystem.Transport;

namespace PushSystem.Room.Delivery;

/// <summary>
/// A shard's lists of sessions per app and its walks through them for broadcasts. Owned by its shard, used on its turn only;
/// nothing needs disposal. A walk does a chunk per turn and never waits for a receiver: who cannot take the broadcast now reads
/// it later.
/// </summary>
internal sealed class ShardFanouts(RoomShard shard)
{
    private readonly List<FanoutWalk> _active = [];

    /// <summary>An open session takes part from now on. One that moved here was counted where it came from.</summary>
    public void Join(int slot, bool moved = false)
    {
        ref var session = ref shard.Sessions[slot];
        var app = AppOf(session.Key.App);
        session.App = app;
        session.AppPlace = app.Add(slot);
        ref var stream = ref session.Broadcast;
        var latest = shard.Room.Broadcaster.Latest(app.Id);
        if (latest.Epoch == stream.Epoch)
            stream.Top = Math.Max(stream.Top, latest.Seq);
        else if (latest.Epoch > stream.Epoch)
            stream.Dirty = true;
        if (moved)
            return;
        foreach (var walk in app.Walks)
        {
            if (walk.Fanout.Epoch == stream.Epoch && walk.Fanout.Seq > stream.LastSent && walk.Fanout.State != FanoutAction.Cancel)
                walk.Fanout.AddTargeted(1);
        }
    }

    public void Leave(int slot)
    {
        ref var session = ref shard.Sessions[slot];
        if (session.App is not { } app || session.AppPlace < 0)
            return;
        var moved = app.RemoveAt(session.AppPlace);
        if (moved >= 0)
            shard.Sessions[moved].AppPlace = session.AppPlace;
        session.AppPlace = -1;
        session.App = null;
        Release(app);
    }

    public void Begin(Fanout fanout)
    {
        var app = AppOf(fanout.App);
        var walk = new FanoutWalk(fanout, app);
        app.Walks.Add(walk);
        _active.Add(walk);
        fanout.AddTargeted(app.Count);
        Step(walk);
    }

    /// <summary>After a pause: from the end again, because sessions may have come that could not read it then.</summary>
    public void BeginAgain(Fanout fanout)
    {
        if (Find(fanout) is not { } walk)
            return;
        if (walk.Ended)
        {
            walk.Ended = false;
            fanout.WalkBeganAgain();
            _active.Add(walk);
        }
        walk.Cursor = walk.App.Count - 1;
        if (!walk.Posted)
            Step(walk);
    }

    /// <summary>It was paused or cancelled.</summary>
    public void Stopped(Fanout fanout)
    {
        if (fanout.State == FanoutAction.Cancel && Find(fanout) is { Ended: false } walk)
            End(walk);
    }

    public void Tick()
    {
        for (var i = _active.Count - 1; i >= 0; i--)
        {
            if (i < _active.Count && !_active[i].Posted)
                Step(_active[i]);
        }
    }

    /// <summary>A session was sent a broadcast that it read from the log: it counts for the fan-out if that is known.</summary>
    public void CountPulled(int slot, long seq)
    {
        ref var session = ref shard.Sessions[slot];
        if (session.App is not { } app || session.CountedBroadcast >= seq)
            return;
        for (var i = app.Walks.Count - 1; i >= 0; i--)
        {
            var fanout = app.Walks[i].Fanout;
            if (fanout.Epoch != session.Broadcast.Epoch || fanout.Seq != seq)
                continue;
            session.CountedBroadcast = seq;
            fanout.AddSent();
            return;
        }
    }

    private void Step(FanoutWalk walk)
    {
        walk.Posted = false;
        var fanout = walk.Fanout;
        if (walk.Ended || fanout.State == FanoutAction.Pause)
            return;
        if (fanout.State == FanoutAction.Cancel || shard.Deliverer.IsExpired(fanout.Message))
        {
            End(walk);
            return;
        }
        walk.Cursor = Math.Min(walk.Cursor, walk.App.Count - 1);
        var persons = fanout.Budget.Take(Math.Min(shard.Options.FanoutChunk, walk.Cursor + 1));
        var visits = shard.Options.FanoutChunk;
        var visited = 0;
        for (; walk.Cursor >= 0 && persons > 0 && visits > 0; visits--, visited++)
        {
            if (Visit(walk.App[walk.Cursor--], fanout))
                persons--;
        }
        shard.Room.Metrics.FanoutVisited(visited);
        if (fanout.Budget.Rate > 0)
            fanout.Budget.Return(persons);
        if (walk.Cursor < 0)
            End(walk);
        else if (fanout.Budget.Rate == 0 || visits == 0)
            Continue(walk);
    }

    private void Continue(FanoutWalk walk)
    {
        walk.Posted = true;
        shard.Post(static next => next.Fanouts.Step(next.Walk), (Fanouts: this, Walk: walk));
    }

    // True when it counts as a person of the rate.
    private bool Visit(int slot, Fanout fanout)
    {
        ref var session = ref shard.Sessions[slot];
        ref var client = ref shard.Clients[session.Client];
        ref var stream = ref session.Broadcast;
        if (stream.Epoch == fanout.Epoch && stream.LastSent >= fanout.Seq)
        {
            Count(ref session, fanout);
            return false;
        }
        if (stream.Epoch == fanout.Epoch && Deliverer.IsServed(session, client) && !session.Pull
            && stream.Offer(fanout.Epoch, fanout.Seq, fanout.Message.Payload.Length, maySend: shard.Deliverer.MaySend(client.Connection),
                shard.Options.WindowMessages, shard.Options.WindowBytes) == DeliverStep.Send)
        {
            var status = shard.Output.PushEncoded(client.Connection, fanout.FrameFor(session.AppIndex, shard));
            if (status == SendStatus.Accepted)
            {
                shard.Deliverer.Sent(slot, StreamKind.Broadcast, fanout.Seq, fanout.Message.Payload.Length);
                Count(ref session, fanout);
                return true;
            }
            stream.Top = Math.Max(stream.Top, fanout.Seq);
            if (status == SendStatus.Full)
                shard.Deliverer.Hold(slot);
            return true;
        }
        shard.Deliverer.Offer(slot, StreamKind.Broadcast, fanout.Epoch, fanout.Seq);
        return Deliverer.IsServed(session, client);
    }

    private static void Count(ref SessionState session, Fanout fanout)
    {
        if (session.CountedBroadcast >= fanout.Seq)
            return;
        session.CountedBroadcast = fanout.Seq;
        fanout.AddSent();
    }

    private void End(FanoutWalk walk)
    {
        walk.Ended = true;
        walk.Cursor = -1;
        _active.Remove(walk);
        walk.Fanout.WalkEnded();
        Release(walk.App);
    }

    private FanoutWalk? Find(Fanout fanout) =>
        shard.Apps.TryGetValue(fanout.App, out var app) ? app.Walks.Find(walk => walk.Fanout == fanout) : null;

    private ShardApp AppOf(string id)
    {
        if (!shard.Apps.TryGetValue(id, out var app))
            shard.Apps.Add(id, app = new ShardApp(id));
        return app;
    }

    /// <summary>Drops what nobody asks about any more, and the app itself when it has no session and no fan-out left.</summary>
    public void Release(ShardApp app)
    {
        app.Walks.RemoveAll(old => old.Fanout.Forgotten && old.Ended);
        if (app.Count == 0 && app.Walks.Count == 0)
            shard.Apps.Remove(app.Id);
    }
}
