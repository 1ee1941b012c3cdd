namespace PushSystem.Protocol;

/// <summary>
/// The kind of a frame: the low six bits of its first byte. A number is never given a second meaning; a receiver skips
/// a number that it does not know by its length, unless <see cref="FrameHeader.CriticalFlag"/> is set.
/// </summary>
public enum Opcode : byte
{
    /// <summary>Never sent.</summary>
    None = 0,
    /// <summary>c→s: device and the bindings known so far.</summary>
    Login = 1,
    /// <summary>s→c: version, connection id, resume ticket, limits, one result per binding.</summary>
    LoginOk = 2,
    /// <summary>c→s: come back to the session of a lost connection.</summary>
    Resume = 3,
    /// <summary>s→c: the session is back, or a full LOGIN is needed on this same connection.</summary>
    ResumeOk = 4,
    /// <summary>c→s: one more (app, user) on this connection.</summary>
    Bind = 5,
    /// <summary>s→c: the result of one BIND.</summary>
    BindOk = 6,
    /// <summary>c→s: end one binding.</summary>
    Unbind = 7,
    /// <summary>s→c: one message.</summary>
    Push = 8,
    /// <summary>c→s: everything of a stream up to a sequence number was processed.</summary>
    Ack = 9,
    /// <summary>s→c: there was a gap in a stream; says where it goes on and why.</summary>
    Reset = 10,
    /// <summary>c→s: an upstream message.</summary>
    Send = 11,
    /// <summary>s→c: an upstream message was stored, or refused with a reason.</summary>
    SendOk = 12,
    /// <summary>c→s: asks for a range of a stream.</summary>
    Fetch = 13,
    /// <summary>c→s: topics of an app.</summary>
    Subscribe = 14,
    /// <summary>c→s: topics of an app.</summary>
    Unsubscribe = 15,
    /// <summary>c→s: alive; carries the client's next interval.</summary>
    Ping = 16,
    /// <summary>s→c: answers a PING; may carry new heartbeat limits.</summary>
    Pong = 17,
    /// <summary>s→c: the connection or one binding ends; says why, when and where to return.</summary>
    GoAway = 18,
    /// <summary>s→c: the connection ends because of an error.</summary>
    Error = 19,
    /// <summary>s→c: no more frames for this binding follow.</summary>
    UnbindOk = 20,
    /// <summary>s→c: the result of SUBSCRIBE or UNSUBSCRIBE.</summary>
    SubscribeOk = 21,
    /// <summary>s→c: pull mode: a stream has grown.</summary>
    Notify = 22,
    /// <summary>s→c: the PUSH frames of one FETCH are complete.</summary>
    FetchOk = 23,
}
