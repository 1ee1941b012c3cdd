using System.Runtime.CompilerServices;
using PushSystem.Protocol;
using PushSystem.Room.Sessions;

namespace PushSystem.Room.Connections;

/// <summary>
/// Sends a shard's clients away, evenly over a time, when the room drains. Owned by its shard; used on its turn, except that any
/// thread may ask <see cref="IsQuiet"/>; nothing needs disposal.
/// </summary>
internal sealed class ShardDrain(RoomShard shard)
{
    private long _startedAt = -1;
    private long _spread;
    private long _total;
    private long _done;
    private int _connection;
    private int _client;
    private int _quiet;

    /// <summary>No connection, no client, no binding under way and no ack is left. As of the last tick.</summary>
    public bool IsQuiet => Volatile.Read(ref _quiet) != 0;

    /// <summary>Begins; the last client is sent away after <paramref name="spread"/>.</summary>
    public void Begin(TimeSpan spread)
    {
        if (_startedAt >= 0)
            return;
        _startedAt = shard.Now;
        _spread = Math.Max(1, (long)spread.TotalMilliseconds);
        _total = shard.Connections.Count + shard.Ender.Detached;
    }

    public void Tick(long now)
    {
        if (_startedAt < 0)
            return;
        var due = now - _startedAt >= _spread ? long.MaxValue : Math.Max(1, _total * (now - _startedAt) / _spread);
        while (_done < due && SendOneAway())
            _done++;
        shard.Acks.Flush();
        var quiet = shard.Connections.Count == 0 && shard.Clients.Count == 0 && shard.Binder.Active == 0 && shard.Acks.IsIdle;
        Volatile.Write(ref _quiet, quiet ? 1 : 0);
    }

    private bool SendOneAway()
    {
        while (_client < shard.Clients.HighWater)
        {
            var slot = _client++;
            if (!shard.Clients.IsUsed(slot) || shard.Clients[slot].Phase != ClientPhase.Detached)
                continue;
            shard.Ender.EndClient(new ClientRef(slot, shard.Clients.GenerationOf(slot)), SessionEnd.Drained);
            return true;
        }
        while (_connection < shard.Connections.HighWater)
        {
            var connection = shard.Connections.At(_connection++);
            ref var state = ref shard.Connections.Find(connection);
            if (Unsafe.IsNullRef(ref state) || state.Phase == ConnectionPhase.Closing)
                continue;
            if (state.Phase == ConnectionPhase.Ready)
                shard.Lifecycle.Dismiss(connection, ReasonCode.Draining, shard.Options.DrainWindow, []);
            else
                shard.Lifecycle.Fail(connection, ReasonCode.Draining, "the room is draining", shard.Options.DrainWindow);
            return true;
        }
        // Some may have come to slots behind the walk, out of a RESUME that was under way.
        _client = 0;
        _connection = 0;
        return false;
    }
}
