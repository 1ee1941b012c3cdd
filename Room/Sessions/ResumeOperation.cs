using PushSystem.Protocol;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>
/// A RESUME on its way between the new connection's shard and the one where the client's state lies. One shard at a time
/// touches it: whoever was posted to last.
/// </summary>
internal sealed class ResumeOperation(RoomShard shard, ConnectionRef connection, ResumeMessage message, ResumeTarget target)
{
    /// <summary>Where the new connection is.</summary>
    public RoomShard Shard { get; } = shard;
    public ConnectionRef Connection { get; } = connection;
    public ResumeMessage Message { get; } = message;
    /// <summary>Where the client is believed to be; changes when it has moved since the ticket was sealed.</summary>
    public ResumeTarget Target { get; set; } = target;
    public int Hops { get; set; }
    /// <summary>The client on the new connection's shard, once it is there.</summary>
    public ClientRef Arrived { get; set; } = ClientRef.None;
    /// <summary>The client and its sessions, with the slots they leave and the slots they get.</summary>
    public ClientState Client { get; set; }
    public List<MovingSession> Sessions { get; } = [];
}

/// <summary>One session of it.</summary>
internal sealed class MovingSession(SessionState state, SessionRef from)
{
    /// <summary>As it left; read again when the old slot is freed, for what came in between.</summary>
    public SessionState State { get; set; } = state;
    public SessionRef From { get; } = from;
    public SessionRef To { get; set; }
}
