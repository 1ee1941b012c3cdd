namespace PushSystem.Protocol;

/// <summary>Which of the two ordered streams of a binding a frame speaks of.</summary>
public enum StreamKind : byte
{
    /// <summary>The messages to this (app, user) alone.</summary>
    Mailbox = 0,
    /// <summary>The app's broadcast log.</summary>
    Broadcast = 1,
}

/// <summary>How an application should read a payload. The gateway never looks inside.</summary>
public enum PayloadKind : byte
{
    /// <summary>Bytes.</summary>
    Binary = 0,
    /// <summary>UTF-8 text.</summary>
    Text = 1,
    /// <summary>UTF-8 JSON.</summary>
    Json = 2,
}

/// <summary>Why a stream goes on behind a gap (RESET).</summary>
public enum ResetReason : byte
{
    /// <summary>Never sent.</summary>
    None = 0,
    /// <summary>The mailbox reached its bound of count, bytes or age; the oldest messages were removed.</summary>
    Overflow = 1,
    /// <summary>The skipped messages' time to live was over.</summary>
    Expired = 2,
    /// <summary>Stored data was lost; the stream starts anew under a new epoch.</summary>
    DataLoss = 3,
    /// <summary>The first unacknowledged message was delivered too often without an ACK and was set aside.</summary>
    Poison = 4,
    /// <summary>The skipped messages were cancelled or recalled by the business.</summary>
    Cancelled = 5,
}

/// <summary>The client's network as it reports it; used for heartbeat hints and statistics only.</summary>
public enum NetworkType : byte
{
    /// <summary>Not known.</summary>
    Unknown = 0,
    /// <summary>Wi-Fi.</summary>
    Wifi = 1,
    /// <summary>2G cellular.</summary>
    Cellular2G = 2,
    /// <summary>3G cellular.</summary>
    Cellular3G = 3,
    /// <summary>4G cellular.</summary>
    Cellular4G = 4,
    /// <summary>5G cellular.</summary>
    Cellular5G = 5,
    /// <summary>Wired.</summary>
    Ethernet = 6,
}

/// <summary>A point in a stream: everything up to and including <paramref name="Seq"/> of <paramref name="Epoch"/>.
/// Epoch 0 means "no position known".</summary>
public readonly record struct StreamPosition(uint Epoch, long Seq);
