namespace PushSystem.Protocol;

/// <summary>
/// Bounds that both sides hold. The constants are part of the protocol; the frame limits are the server's settings and
/// are told to the client in LOGIN_OK.
/// </summary>
public static class ProtocolLimits
{
    /// <summary>Longest device id, UTF-8 bytes.</summary>
    public const int MaxDeviceBytes = 64;
    /// <summary>Longest SDK name, UTF-8 bytes.</summary>
    public const int MaxSdkBytes = 32;
    /// <summary>Longest app id, UTF-8 bytes.</summary>
    public const int MaxAppBytes = 64;
    /// <summary>Longest user id, UTF-8 bytes.</summary>
    public const int MaxUserBytes = 64;
    /// <summary>Longest ticket, bytes.</summary>
    public const int MaxTicketBytes = 255;
    /// <summary>Longest resume ticket, bytes.</summary>
    public const int MaxResumeTicketBytes = 255;
    /// <summary>Longest upstream message type, UTF-8 bytes.</summary>
    public const int MaxSendTypeBytes = 32;
    /// <summary>Longest topic name, UTF-8 bytes.</summary>
    public const int MaxTopicBytes = 128;
    /// <summary>Most topics in one SUBSCRIBE.</summary>
    public const int MaxTopicsPerFrame = 64;
    /// <summary>Longest text in ERROR, UTF-8 bytes.</summary>
    public const int MaxErrorTextBytes = 255;
    /// <summary>Longest "host:port", UTF-8 bytes.</summary>
    public const int MaxAddressBytes = 255;
    /// <summary>Most addresses in one list.</summary>
    public const int MaxAddresses = 16;
    /// <summary>Most bindings of one connection.</summary>
    public const int MaxBindings = 16;
    /// <summary>Highest app index; indexes are given from 0 and not used again on the same connection.</summary>
    public const int MaxAppIndex = 16_383;
    /// <summary>
    /// Highest sequence number and highest upstream message id: 2^53 - 1. Such a number plus one never overflows and is exact in
    /// JSON and in languages whose only number is a double.
    /// </summary>
    public const long MaxSeq = (1L << 53) - 1;
    /// <summary>Highest Unix time in milliseconds: the end of the year 9999, so that it is a date in every library.</summary>
    public const long MaxUnixMilliseconds = 253_402_300_799_999;
    /// <summary>Longest heartbeat interval, seconds.</summary>
    public const int MaxIntervalSeconds = 86_400;
    /// <summary>Most messages that one FETCH may ask for.</summary>
    public const int MaxFetchCount = 1_000;
    /// <summary>The longest body that three length bytes can announce.</summary>
    public const int MaxEncodableBody = (1 << 21) - 1;
    /// <summary>Longest body that a server ever sends; a client may close on a longer one.</summary>
    public const int MaxServerBody = 1 << 20;
    /// <summary>Default limit for the body of a frame before login.</summary>
    public const int DefaultLoginBody = 8 * 1024;
    /// <summary>Default limit for the body of a client's frame after login.</summary>
    public const int DefaultClientBody = 66 * 1024;
    /// <summary>Default limit for the payload of a push or an upstream message.</summary>
    public const int DefaultMaxPayload = 64 * 1024;
}
