using PushSystem.Room.Sessions;
using PushSystem.Transport;

namespace PushSystem.Room.Connections;

/// <summary>How far a connection has come.</summary>
internal enum ConnectionPhase : byte
{
    /// <summary>Waits for the preface.</summary>
    Preface,
    /// <summary>Waits for LOGIN or RESUME.</summary>
    Login,
    /// <summary>A LOGIN is being carried out; receiving is paused.</summary>
    LoggingIn,
    /// <summary>A RESUME is being carried out; receiving is paused.</summary>
    Resuming,
    /// <summary>In use.</summary>
    Ready,
    /// <summary>Its last frames leave; nothing is read any more.</summary>
    Closing,
}

/// <summary>Why receiving is paused; it goes on when no reason is left.</summary>
[Flags]
internal enum PauseReasons : byte
{
    None = 0,
    /// <summary>LOGIN or RESUME is under way.</summary>
    Login = 1,
    /// <summary>A BIND or UNBIND waits for the one before it.</summary>
    Binding = 2,
    /// <summary>Upstream messages wait to be stored.</summary>
    Upstream = 4,
}

/// <summary>One socket of a shard, at the transport's slot.</summary>
internal struct ConnectionState
{
    public uint Generation;
    public ConnectionPhase Phase;
    public PauseReasons Paused;
    public byte Version;
    /// <summary>A RESUME was answered "full login"; only LOGIN is allowed now.</summary>
    public bool ResumeRefused;
    /// <summary>The state must not be kept for RESUME when the socket goes.</summary>
    public bool NoResume;
    /// <summary>Messages were held back because output waits; they go on when it has left.</summary>
    public bool Blocked;
    /// <summary>In the list of those that a tick looks at.</summary>
    public bool BlockListed;
    public ClientRef Client;
    /// <summary>Accept, or the last whole frame; shard milliseconds.</summary>
    public long LastFrameAt;
    /// <summary>Interval × 1.25 + slack, milliseconds.</summary>
    public long Patience;
    /// <summary>The deadline as the transport has it.</summary>
    public long Deadline;
    /// <summary>No stream's ack deadline is earlier than this.</summary>
    public long AckDue;
    public long BlockedSince;
    /// <summary>Bytes handed to the transport, and how many of them had left when progress was last looked at.</summary>
    public long SentBytes;
    public long LeftBytes;
    /// <summary>Frame rate: tokens and when they were counted.</summary>
    public float FrameTokens;
    public long FrameTokensAt;
    /// <summary>Upstream messages that wait; null when there are none.</summary>
    public UpstreamQueue? Upstream;
    /// <summary>The FETCH under way; null when there is none.</summary>
    public Delivery.FetchOperation? Fetch;

    public readonly bool IsPaused => Paused != PauseReasons.None;
}
