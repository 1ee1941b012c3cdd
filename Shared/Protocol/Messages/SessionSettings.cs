namespace PushSystem.Protocol;

/// <summary>
/// What the server tells about the connection, inside LOGIN_OK and RESUME_OK:
/// <code>
/// version byte · features varint · connection id fixed64 · resume ticket bytes(0..255) · resume seconds varint
/// heartbeat min varint s · heartbeat max varint s · heartbeat default varint s
/// ack count varint · ack delay varint ms · frame limit varint bytes · server time varint Unix ms
/// address ttl varint s · address count varint · address text(1..255)…
/// </code>
/// </summary>
public sealed record SessionSettings
{
    /// <summary>The version that both sides speak from now on.</summary>
    public required byte Version { get; init; }
    /// <summary>What the server offers; see <see cref="Features"/>.</summary>
    public Features Features { get; init; }
    /// <summary>Names the connection in logs and in the status API.</summary>
    public required ulong ConnectionId { get; init; }
    /// <summary>Opaque; presented in RESUME. Empty when the server offers none.</summary>
    public ReadOnlyMemory<byte> ResumeTicket { get; init; }
    /// <summary>How long after the connection's end the resume ticket works, seconds.</summary>
    public int ResumeSeconds { get; init; }
    /// <summary>Shortest heartbeat interval that the server accepts, seconds.</summary>
    public required int HeartbeatMinSeconds { get; init; }
    /// <summary>Longest heartbeat interval that the server accepts, seconds.</summary>
    public required int HeartbeatMaxSeconds { get; init; }
    /// <summary>Interval in force until the client's first PING, seconds.</summary>
    public required int HeartbeatDefaultSeconds { get; init; }
    /// <summary>The client acks at the latest after this many messages.</summary>
    public required int AckCount { get; init; }
    /// <summary>The client acks at the latest this long after a message, milliseconds.</summary>
    public required int AckDelayMilliseconds { get; init; }
    /// <summary>Longest body that the server accepts from now on, bytes.</summary>
    public required int FrameLimit { get; init; }
    /// <summary>The server's clock, Unix milliseconds.</summary>
    public required long ServerTime { get; init; }
    /// <summary>How long <see cref="Addresses"/> may be used, seconds.</summary>
    public int AddressTtlSeconds { get; init; }
    /// <summary>"host:port" to try first next time, best first; may be empty.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];

    internal int Size
    {
        get
        {
            var size = 1 + Varint.SizeOf((long)Features) + 8 + BodyWriter.SizeOfBytes(ResumeTicket.Length) + Varint.SizeOf(ResumeSeconds)
                + Varint.SizeOf(HeartbeatMinSeconds) + Varint.SizeOf(HeartbeatMaxSeconds) + Varint.SizeOf(HeartbeatDefaultSeconds)
                + Varint.SizeOf(AckCount) + Varint.SizeOf(AckDelayMilliseconds) + Varint.SizeOf(FrameLimit) + Varint.SizeOf(ServerTime)
                + Varint.SizeOf(AddressTtlSeconds);
            return size + AddressList.SizeOf(Addresses);
        }
    }

    internal void Write(ref BodyWriter writer)
    {
        writer.Byte(Version);
        writer.Number((long)Features);
        writer.Fixed64(ConnectionId);
        writer.Bytes(ResumeTicket.Span);
        writer.Number(ResumeSeconds);
        writer.Number(HeartbeatMinSeconds);
        writer.Number(HeartbeatMaxSeconds);
        writer.Number(HeartbeatDefaultSeconds);
        writer.Number(AckCount);
        writer.Number(AckDelayMilliseconds);
        writer.Number(FrameLimit);
        writer.Number(ServerTime);
        writer.Number(AddressTtlSeconds);
        AddressList.Write(ref writer, Addresses);
    }

    internal static SessionSettings Read(ref BodyReader reader) => new()
    {
        Version = reader.Byte("version"),
        Features = (Features)reader.Number("features"),
        ConnectionId = reader.Fixed64("connection id"),
        ResumeTicket = reader.Bytes("resume ticket", ProtocolLimits.MaxResumeTicketBytes).ToArray(),
        ResumeSeconds = reader.Int("resume seconds"),
        HeartbeatMinSeconds = reader.Int("heartbeat min", ProtocolLimits.MaxIntervalSeconds),
        HeartbeatMaxSeconds = reader.Int("heartbeat max", ProtocolLimits.MaxIntervalSeconds),
        HeartbeatDefaultSeconds = reader.Int("heartbeat default", ProtocolLimits.MaxIntervalSeconds),
        AckCount = reader.Int("ack count"),
        AckDelayMilliseconds = reader.Int("ack delay"),
        FrameLimit = reader.Int("frame limit"),
        ServerTime = reader.Number("server time", ProtocolLimits.MaxUnixMilliseconds),
        AddressTtlSeconds = reader.Int("address ttl"),
        Addresses = AddressList.Read(ref reader),
    };
}

/// <summary>What a side understands beyond the base protocol. Bits are only added.</summary>
[Flags]
public enum Features : long
{
    /// <summary>The base protocol.</summary>
    None = 0,
    /// <summary>RESUME.</summary>
    Resume = 1,
    /// <summary>FETCH, NOTIFY and pull bindings.</summary>
    Pull = 2,
    /// <summary>SEND.</summary>
    Upstream = 4,
    /// <summary>SUBSCRIBE and UNSUBSCRIBE.</summary>
    Topics = 8,
}

/// <summary>A list of "host:port": count varint, then each as text(1..255).</summary>
internal static class AddressList
{
    internal static int SizeOf(IReadOnlyList<string> addresses)
    {
        var size = Varint.SizeOf(addresses.Count);
        foreach (var address in addresses)
            size += BodyWriter.SizeOfText(address);
        return size;
    }

    internal static void Write(ref BodyWriter writer, IReadOnlyList<string> addresses)
    {
        writer.Number(addresses.Count);
        foreach (var address in addresses)
            writer.Text(address);
    }

    internal static string[] Read(ref BodyReader reader)
    {
        var count = reader.Int("address count", ProtocolLimits.MaxAddresses);
        if (count == 0)
            return [];
        var addresses = new string[count];
        for (var i = 0; i < count; i++)
            addresses[i] = reader.Text("address", ProtocolLimits.MaxAddressBytes, 1);
        return addresses;
    }
}
