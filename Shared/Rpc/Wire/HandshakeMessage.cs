using System.Buffers.Binary;
using System.Text;

namespace PushSystem.Rpc.Wire;

/// <summary>Why a handshake was refused: byte 5 of the refusing message. Numbers are only added to.</summary>
internal enum Refusal : byte
{
    None = 0,
    Version = 1,
    NotAuthenticated = 2,
    Stopping = 3,
    TooManyLinks = 4,
}

/// <summary>
/// One of the four messages before the frames: a head of eight bytes and a rest. Layouts in docs/node-protocol.md. All lengths are
/// checked before they are used; bytes behind the known fields are allowed, so that later versions may add.
/// </summary>
internal static class HandshakeMessage
{
    public const int HeadBytes = 8;
    /// <summary>Largest rest, bytes.</summary>
    public const int MaxRest = 512;
    public const int MaxBytes = HeadBytes + MaxRest;
    /// <summary>The only version there is.</summary>
    public const byte Version = 1;

    private static ReadOnlySpan<byte> Magic => "PSNL"u8;

    public static byte[] Create(byte a, byte b, int rest)
    {
        var message = new byte[HeadBytes + rest];
        Magic.CopyTo(message);
        message[4] = a;
        message[5] = b;
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), checked((ushort)rest));
        return message;
    }

    /// <summary>Length of the rest. Throws <see cref="LinkProtocolException"/>.</summary>
    public static int RestLength(ReadOnlySpan<byte> head)
    {
        if (!head[..4].SequenceEqual(Magic))
            throw new LinkProtocolException("the peer does not speak the protocol of links: wrong first bytes");
        var rest = BinaryPrimitives.ReadUInt16LittleEndian(head[6..]);
        return rest <= MaxRest ? rest : throw new LinkProtocolException($"handshake message of {rest} bytes; the limit is {MaxRest}");
    }

    /// <summary>Reads a whole message. Never takes a byte too many.</summary>
    public static async ValueTask<byte[]> ReceiveAsync(IWire wire, CancellationToken cancellationToken)
    {
        var head = new byte[HeadBytes];
        await FillAsync(wire, head, cancellationToken);
        var message = new byte[HeadBytes + RestLength(head)];
        head.CopyTo(message, 0);
        await FillAsync(wire, message.AsMemory(HeadBytes), cancellationToken);
        return message;
    }

    public static int PutNodeId(Span<byte> at, string id)
    {
        var length = Encoding.UTF8.GetBytes(id, at[1..]);
        at[0] = (byte)length;
        return 1 + length;
    }

    /// <summary>Reads a node id and moves <paramref name="at"/> behind it.</summary>
    public static string TakeNodeId(ReadOnlySpan<byte> message, ref int at)
    {
        if (at >= message.Length)
            throw new LinkProtocolException("handshake message ends before the node id");
        var length = message[at];
        if (length is 0 or > Hello.MaxNodeIdBytes || at + 1 + length > message.Length)
            throw new LinkProtocolException($"node id of {length} bytes; 1 to {Hello.MaxNodeIdBytes} are allowed");
        try
        {
            var id = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(message.Slice(at + 1, length));
            if (id.Any(char.IsControl))
                throw new LinkProtocolException("node id with control characters");
            at += 1 + length;
            return id;
        }
        catch (DecoderFallbackException)
        {
            throw new LinkProtocolException("node id is not UTF-8");
        }
    }

    public static void Need(ReadOnlySpan<byte> message, int bytes, string name)
    {
        if (message.Length < bytes)
            throw new LinkProtocolException($"{name} of {message.Length} bytes is too short");
    }

    private static async ValueTask FillAsync(IWire wire, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (buffer.Length > 0)
        {
            var count = await wire.ReceiveAsync(buffer, cancellationToken);
            if (count <= 0)
                throw new LinkProtocolException("the peer closed the connection during the handshake");
            buffer = buffer[count..];
        }
    }
}

/// <summary>First message, client to server: versions, nonce, who the client is, the largest frame that it takes.</summary>
internal readonly record struct Hello(byte LowestVersion, byte HighestVersion, string NodeId, uint MaxFrameBytes)
{
    public const int MaxNodeIdBytes = 64;
    public const int NonceBytes = 32;

    private const int MaxFrameAt = HandshakeMessage.HeadBytes + NonceBytes, NodeIdAt = MaxFrameAt + 4;

    public byte[] Write(ReadOnlySpan<byte> nonce)
    {
        Span<byte> id = stackalloc byte[1 + MaxNodeIdBytes];
        var length = HandshakeMessage.PutNodeId(id, NodeId);
        var message = HandshakeMessage.Create(LowestVersion, HighestVersion, NodeIdAt - HandshakeMessage.HeadBytes + length);
        nonce.CopyTo(message.AsSpan(HandshakeMessage.HeadBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(MaxFrameAt), MaxFrameBytes);
        id[..length].CopyTo(message.AsSpan(NodeIdAt));
        return message;
    }

    public static Hello Read(ReadOnlySpan<byte> message)
    {
        HandshakeMessage.Need(message, NodeIdAt + 2, "Hello");
        var at = NodeIdAt;
        var id = HandshakeMessage.TakeNodeId(message, ref at);
        return new Hello(message[4], message[5], id, BinaryPrimitives.ReadUInt32LittleEndian(message[MaxFrameAt..]));
    }
}

/// <summary>Second message, server to client: the version, the server's nonce and id; or a refusal with nothing else.</summary>
internal readonly record struct Challenge(byte Version, Refusal Refusal, string NodeId)
{
    private const int NodeIdAt = HandshakeMessage.HeadBytes + Hello.NonceBytes;

    public static byte[] Refuse(Refusal refusal) => HandshakeMessage.Create(0, (byte)refusal, 0);

    public byte[] Write(ReadOnlySpan<byte> nonce)
    {
        Span<byte> id = stackalloc byte[1 + Hello.MaxNodeIdBytes];
        var length = HandshakeMessage.PutNodeId(id, NodeId);
        var message = HandshakeMessage.Create(Version, 0, Hello.NonceBytes + length);
        nonce.CopyTo(message.AsSpan(HandshakeMessage.HeadBytes));
        id[..length].CopyTo(message.AsSpan(NodeIdAt));
        return message;
    }

    public static Challenge Read(ReadOnlySpan<byte> message)
    {
        if (message[5] != 0)
            return new Challenge(0, (Refusal)message[5], "");
        HandshakeMessage.Need(message, NodeIdAt + 2, "Challenge");
        var at = NodeIdAt;
        return new Challenge(message[4], Refusal.None, HandshakeMessage.TakeNodeId(message, ref at));
    }
}

/// <summary>Fourth message, server to client: its limits, and its proof in front of them; or a refusal with nothing else.</summary>
internal readonly record struct Welcome(Refusal Refusal, uint MaxFrameBytes, uint MaxInFlight, ulong MaxInFlightBytes)
{
    public const int LimitsAt = HandshakeMessage.HeadBytes + HandshakeProof.MacBytes;

    private const int Bytes = LimitsAt + 16;

    public static byte[] Refuse(Refusal refusal) => HandshakeMessage.Create(0, (byte)refusal, 0);

    /// <summary>The message with room for the proof.</summary>
    public byte[] Write()
    {
        var message = HandshakeMessage.Create(HandshakeMessage.Version, 0, Bytes - HandshakeMessage.HeadBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(LimitsAt), MaxFrameBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(LimitsAt + 4), MaxInFlight);
        BinaryPrimitives.WriteUInt64LittleEndian(message.AsSpan(LimitsAt + 8), MaxInFlightBytes);
        return message;
    }

    public static Welcome Read(ReadOnlySpan<byte> message)
    {
        if (message[5] != 0)
            return new Welcome((Refusal)message[5], 0, 0, 0);
        HandshakeMessage.Need(message, Bytes, "Welcome");
        return new Welcome(
            Refusal.None, BinaryPrimitives.ReadUInt32LittleEndian(message[LimitsAt..]), BinaryPrimitives.ReadUInt32LittleEndian(message[(LimitsAt + 4)..]),
            BinaryPrimitives.ReadUInt64LittleEndian(message[(LimitsAt + 8)..]));
    }
}
