namespace PushSystem.Protocol;

/// <summary>
/// Why a binding or message was refused or a connection ended: one numbering for ERROR, GOAWAY, BIND_OK, SEND_OK and the
/// rest. Numbers are only added, never reused. <see cref="ReasonCodes.AdviceFor"/> says whether to come back.
/// </summary>
public enum ReasonCode : byte
{
    /// <summary>No error.</summary>
    Ok = 0,

    // 1–9: what the client sent.
    /// <summary>A frame does not follow its layout.</summary>
    BadFrame = 1,
    /// <summary>A frame is longer than the limit in force.</summary>
    FrameTooLarge = 2,
    /// <summary>A frame that is not allowed in this state, such as PING before LOGIN.</summary>
    UnexpectedFrame = 3,
    /// <summary>No protocol version in common, or the magic is wrong.</summary>
    UnsupportedVersion = 4,
    /// <summary>A frame marked critical has a type that the server does not know.</summary>
    UnsupportedFrame = 5,
    /// <summary>An app index, stream or sequence number that was never given on this connection.</summary>
    UnknownTarget = 6,

    // 10–19: time and load.
    /// <summary>No complete LOGIN or RESUME within the deadline.</summary>
    LoginTimeout = 10,
    /// <summary>No frame within the interval that the client announced plus its slack.</summary>
    HeartbeatTimeout = 11,
    /// <summary>Messages were sent and none was acknowledged in time.</summary>
    AckTimeout = 12,
    /// <summary>The client does not read fast enough; the output limit was reached.</summary>
    SlowConsumer = 13,
    /// <summary>Too many frames or logins in a time; come back later.</summary>
    RateLimited = 14,
    /// <summary>The server is overloaded; come back later.</summary>
    Busy = 15,
    /// <summary>More bindings than one connection may have.</summary>
    TooManyBindings = 16,

    // 20–29: tickets and bindings.
    /// <summary>The ticket is malformed or its signature is wrong.</summary>
    TicketInvalid = 20,
    /// <summary>The ticket's time is over.</summary>
    TicketExpired = 21,
    /// <summary>The ticket's key is unknown or was withdrawn.</summary>
    TicketKeyUnknown = 22,
    /// <summary>The app is unknown or disabled.</summary>
    AppUnknown = 23,
    /// <summary>The ticket was issued for another app or user.</summary>
    TicketMismatch = 24,
    /// <summary>The binding could not be made now (a store is away); try again later.</summary>
    BindUnavailable = 25,
    /// <summary>The (app, user) is already bound on this connection.</summary>
    AlreadyBound = 26,
    /// <summary>The resume ticket is unknown, expired or from another room: a full LOGIN is needed.</summary>
    ResumeUnknown = 27,

    // 30–39: the server ends it.
    /// <summary>The same (app, user) was bound by a newer connection.</summary>
    Replaced = 30,
    /// <summary>The business ended the session; do not return by yourself.</summary>
    Kicked = 31,
    /// <summary>The server is going down or drains; return elsewhere within the window.</summary>
    Draining = 32,
    /// <summary>The server's group was switched off; return through the dispatcher.</summary>
    GroupSwitched = 33,
    /// <summary>The address is not allowed here.</summary>
    AccessDenied = 34,

    /// <summary>A fault in the server.</summary>
    InternalError = 40,
    /// <summary>The server does not offer this function (see the feature bits of LOGIN_OK).</summary>
    NotSupported = 41,

    // 60–69: upstream messages.
    /// <summary>The app's upstream queue is full.</summary>
    QueueFull = 60,
    /// <summary>The payload is longer than allowed.</summary>
    PayloadTooLarge = 61,
    /// <summary>The app has no webhook for upstream messages.</summary>
    NoReceiver = 62,
    /// <summary>The message could not be stored now; send it again later with the same client message id.</summary>
    NotStored = 63,
}

/// <summary>Whether a client comes back after a <see cref="ReasonCode"/>.</summary>
public enum ReconnectAdvice : byte
{
    /// <summary>Do not reconnect until the application or the user asks for it.</summary>
    Stay = 0,
    /// <summary>Reconnect with the ordinary back-off.</summary>
    BackOff = 1,
    /// <summary>Reconnect at a random moment inside the window that the frame gives.</summary>
    Window = 2,
}

/// <summary>The fixed advice of each reason, as listed in docs/protocol.md.</summary>
public static class ReasonCodes
{
    /// <summary>What a client does after a connection ended with <paramref name="code"/>.</summary>
    public static ReconnectAdvice AdviceFor(ReasonCode code) => code switch
    {
        ReasonCode.UnsupportedVersion or ReasonCode.UnsupportedFrame or ReasonCode.Replaced or ReasonCode.Kicked
            or ReasonCode.AccessDenied or ReasonCode.TicketInvalid or ReasonCode.TicketKeyUnknown
            or ReasonCode.TicketMismatch or ReasonCode.AppUnknown => ReconnectAdvice.Stay,
        ReasonCode.RateLimited or ReasonCode.Busy or ReasonCode.Draining or ReasonCode.GroupSwitched => ReconnectAdvice.Window,
        _ => ReconnectAdvice.BackOff,
    };
}
