using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Delivery;

namespace PushSystem.Room.Sessions;

/// <summary>Where a session is.</summary>
internal enum SessionPhase : byte
{
    /// <summary>In the room's index, not yet registered and opened: deliveries are noted, nothing is sent.</summary>
    Binding,
    /// <summary>In force.</summary>
    Open,
}

/// <summary>Why a session ended.</summary>
internal enum SessionEnd : byte
{
    Unbound,
    Kicked,
    Replaced,
    GraceOver,
    Drained,
}

/// <summary>One bound (app, user). A cell of a shard's <see cref="SlotTable{T}"/>.</summary>
internal struct SessionState
{
    public UserKey Key;
    public SessionPhase Phase;
    /// <summary>The client fetches; it is told, not sent to.</summary>
    public bool Pull;
    /// <summary>The client did not name it in RESUME: it never saw the answer to its BIND, and nothing is sent until it asks again.</summary>
    public bool Unconfirmed;
    /// <summary>It is being bound again, or an attempt ended without an answer: the registry may hold a higher generation than the one known here.</summary>
    public bool Rebinding;
    /// <summary>State of the room's demands (<see cref="Registrations"/>) when it was last bound.</summary>
    public uint BoundVersion;
    /// <summary>Since when it is bound, Unix milliseconds.</summary>
    public long BoundAt;
    /// <summary>The client's slot, and the next session of the same client, -1 = none.</summary>
    public int Client;
    public int NextOfClient;
    public int AppIndex;
    /// <summary>The session generation that the registry gave; 0 until then.</summary>
    public long RegistryGeneration;
    /// <summary>A newer session of the same user is known by this generation.</summary>
    public long SupersededBy;
    /// <summary>A kick that came before the session could be ended; Ok = none.</summary>
    public ReasonCode PendingKick;
    public long PendingKickGeneration;
    /// <summary>Place in the shard's list of the app's sessions, -1 = not in it.</summary>
    public int AppPlace;
    public ShardApp? App;
    /// <summary>Highest broadcast of a running fan-out that was counted for this session.</summary>
    public long CountedBroadcast;
    /// <summary>The oldest mailbox message in flight when the socket was lost, the one that the client last came back with, and how
    /// often it has come back with that one.</summary>
    public long DetachedHead;
    public long StuckSeq;
    public int StuckCount;
    public StreamState Mailbox;
    public StreamState Broadcast;

    /// <summary>Whether who was led here by this generation, other than 0, means this session.</summary>
    public readonly bool Answers(long generation) =>
        RegistryGeneration == 0 || generation == RegistryGeneration || (Rebinding && generation > RegistryGeneration);
}
