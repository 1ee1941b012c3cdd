using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>
/// A LOGIN or BIND while registry and mailboxes are asked. Made and used on its shard's turn; the calls in between only fill in
/// their answers.
/// </summary>
internal sealed class BindOperation(RoomShard shard, ConnectionRef connection, ClientRef client, ulong connectionId, long? requestId, BindItem[] items)
{
    public RoomShard Shard { get; } = shard;
    public ConnectionRef Connection { get; } = connection;
    public ClientRef Client { get; } = client;
    public ulong ConnectionId { get; } = connectionId;
    /// <summary>Of the BIND; null for a LOGIN.</summary>
    public long? RequestId { get; } = requestId;
    public BindItem[] Items { get; } = items;
    /// <summary>The items asked for in the call under way, and its answers or failure.</summary>
    public List<BindItem> Asked { get; set; } = [];
    public IReadOnlyList<BindReply> Registered { get; set; } = [];
    public IReadOnlyList<OpenReply> Opened { get; set; } = [];
    public bool Failed { get; set; }
    /// <summary>It counts at the room's <see cref="Access.LoginGate"/> until it ends.</summary>
    public bool HoldsGate { get; set; }
}

/// <summary>One binding of it.</summary>
internal sealed class BindItem(BindRequest request)
{
    public BindRequest Request { get; } = request;
    public ReasonCode Code { get; set; }
    public SessionEntry? Entry { get; set; }
    public int Slot { get; set; } = -1;
    public uint Generation { get; set; }
    public OpenReply Opening { get; set; }
    public BindResult Result { get; set; }
    /// <summary>Not bound anew: the client asked again for what it has, see <see cref="SessionState.Unconfirmed"/>.</summary>
    public bool Repeated { get; set; }
}
