using PushSystem.Protocol;
using PushSystem.Transport;

namespace PushSystem.Room.Sessions;

/// <summary>Where a client is.</summary>
internal enum ClientPhase : byte
{
    /// <summary>On a socket.</summary>
    Attached,
    /// <summary>Its socket is lost, its grace period runs.</summary>
    Detached,
    /// <summary>Being handed to another shard of the room.</summary>
    Leaving,
    /// <summary>Being taken over from another shard of the room.</summary>
    Arriving,
}

/// <summary>
/// What a device's login owns and what outlives its socket for the grace period: connection id, bindings, app indexes.
/// A cell of a shard's <see cref="SlotTable{T}"/>.
/// </summary>
internal struct ClientState
{
    public ulong ConnectionId;
    public ClientPhase Phase;
    /// <summary>LOGIN_OK was sent: from now on the client can resume.</summary>
    public bool Established;
    /// <summary>The socket; None unless attached or arriving.</summary>
    public ConnectionRef Connection;
    public string Device;
    /// <summary>The first session's slot, -1 = none; the others hang on <see cref="SessionState.NextOfClient"/>.</summary>
    public int FirstSession;
    /// <summary>Sessions, those that are being bound included.</summary>
    public int Sessions;
    public int NextAppIndex;
    /// <summary>LOGIN or BIND under way, and removals of entries of which no generation is known. While there are any, nothing is bound
    /// anew and nothing resumes, so that such a removal cannot hit a newer entry of the same connection.</summary>
    public int Calls;
    /// <summary>Bindings that were kicked or replaced while there was no socket; told when the client resumes.</summary>
    public List<(int AppIndex, ReasonCode Reason)>? EndedAway;
    /// <summary>When the grace period ends, in the shard's milliseconds.</summary>
    public long GraceEnds;
}
