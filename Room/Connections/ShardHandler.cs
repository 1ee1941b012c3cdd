using System.Buffers;
using System.Net;
using PushSystem.Transport;

namespace PushSystem.Room.Connections;

/// <summary>
/// What the transport calls for one shard: hands every event to the part that owns it. Owned by the room, called on the shard's
/// turn only; nothing needs disposal.
/// </summary>
internal sealed class ShardHandler(RoomShard shard) : IConnectionHandler
{
    private readonly NativeProtocol _protocol = new(shard);

    public void Accepted(ConnectionRef connection, IPEndPoint remote) => shard.Lifecycle.Accepted(connection, remote);

    public void Received(ConnectionRef connection, ref ReadOnlySequence<byte> input) => _protocol.Received(connection, ref input);

    public void Drained(ConnectionRef connection) => shard.Lifecycle.Drained(connection);

    public void Expired(ConnectionRef connection) => shard.Lifecycle.Expired(connection);

    public void Closed(ConnectionRef connection, CloseCause cause) => shard.Lifecycle.Closed(connection, cause);

    public void TurnEnded() => shard.Acks.TurnEnded();

    public void Tick(long now)
    {
        shard.Lifecycle.Tick();
        shard.Acks.Tick(now);
        shard.Pulls.Tick(now);
        shard.Fanouts.Tick();
        shard.Ender.Tick(now);
        shard.Rebinder.Tick();
        shard.Positions.Tick(now);
        shard.Drain.Tick(now);
    }
}
