using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Delivery;

/// <summary>
/// The broadcasts that this room was asked to fan out: starts, changes and remembers them. It owns the fan-outs; any thread may
/// use it; the walks run on the shards' turns; nothing needs disposal. The oldest that are finished are forgotten first.
/// </summary>
internal sealed class Broadcaster(RoomContext room)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string App, uint Epoch, long Seq), Fanout> _known = [];
    private readonly Queue<Fanout> _order = new();
    private readonly ConcurrentDictionary<string, StreamPosition> _latest = new();

    public FanoutProgress Execute(FanoutCommand command)
    {
        var known = command.Action == FanoutAction.Run ? GetOrAdd(command, out var isNew) : Find(command, out isNew);
        if (known is null)
        {
            if (command.Action is FanoutAction.Pause or FanoutAction.Cancel)
                room.Cache.Invalidate(command.App, command.Epoch, command.Seq);
            return default;
        }
        if (isNew)
            Begin(known);
        else if (command.Action != FanoutAction.Query)
            Change(known, command);
        return known.Progress;
    }

    /// <summary>The newest broadcast of the app that a fan-out was begun for; epoch 0 = none.</summary>
    public StreamPosition Latest(string app) => _latest.GetValueOrDefault(app);

    private void Begin(Fanout fanout)
    {
        room.Cache.Put(fanout.App, fanout.Epoch, fanout.Message);
        // Before the shards begin: a session that opens from now on either is met by the walk or sees this.
        var position = new StreamPosition(fanout.Epoch, fanout.Seq);
        _latest.AddOrUpdate(fanout.App, position, (_, old) => old.Epoch == position.Epoch && old.Seq > position.Seq ? old : position);
        PostAll(fanout, static next => next.Shard.Fanouts.Begin(next.Fanout));
    }

    private void Change(Fanout fanout, FanoutCommand command)
    {
        if (command.Action == FanoutAction.Run)
            fanout.Budget.Rate = command.RatePerSecond;
        var before = fanout.State;
        fanout.State = command.Action;
        if (fanout.State == before)
            return;
        room.Cache.Invalidate(fanout.App, fanout.Epoch, fanout.Seq);
        PostAll(fanout, fanout.State == FanoutAction.Run
            ? static next => next.Shard.Fanouts.BeginAgain(next.Fanout)
            : static next => next.Shard.Fanouts.Stopped(next.Fanout));
    }

    private void PostAll(Fanout fanout, Action<(RoomShard Shard, Fanout Fanout)> action)
    {
        foreach (var shard in room.Shards)
        {
            if (!shard.Post(action, (shard, fanout)))
                fanout.WalkEnded();
        }
    }

    private Fanout? Find(FanoutCommand command, out bool isNew)
    {
        isNew = false;
        lock (_lock)
            return _known.GetValueOrDefault((command.App, command.Epoch, command.Seq));
    }

    private Fanout GetOrAdd(FanoutCommand command, out bool isNew)
    {
        lock (_lock)
        {
            var key = (command.App, command.Epoch, command.Seq);
            isNew = !_known.TryGetValue(key, out var fanout);
            if (!isNew)
                return fanout!;
            fanout = new Fanout(room, command);
            _known.Add(key, fanout);
            _order.Enqueue(fanout);
            Forget();
            return fanout;
        }
    }

    // Under the lock. One that still runs goes to the end once; when all run, the oldest goes all the same: a caller that asks
    // for it is told that it is unknown and starts it again, and nobody gets it twice.
    private void Forget()
    {
        for (var left = _order.Count; _order.Count > room.Options.MaxFanouts; left--)
        {
            var oldest = _order.Dequeue();
            if (!oldest.IsFinished && left > 0)
            {
                _order.Enqueue(oldest);
                continue;
            }
            oldest.Forgotten = true;
            _known.Remove((oldest.App, oldest.Epoch, oldest.Seq));
        }
    }
}
