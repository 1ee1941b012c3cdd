using System.Buffers.Binary;

namespace PushSystem.Rpc.Wire;

/// <summary>What a frame is: byte 4 of it. Numbers from 128 on are skipped by whoever does not know them.</summary>
internal enum FrameKind : byte
{
    Request = 1,
    Reply = 2,
    Ping = 3,
    Pong = 4,
    Bye = 5,
    FirstOptional = 128,
}

/// <summary>
/// A frame of a link; layout in docs/node-protocol.md. The body aliases the input: copy it to keep it.
/// </summary>
internal readonly ref struct NodeFrame(ReadOnlySpan<byte> bytes)
{
    /// <summary>Header of every frame, bytes.</summary>
    public const int HeaderBytes = 16;
    /// <summary>Header of a request, bytes: the remaining time follows the common header.</summary>
    public const int RequestHeaderBytes = 20;
    /// <summary>Longest remaining time that is sent: one day.</summary>
    public const uint MaxRemaining = 86_400_000;

    private const int KindAt = 4, CodeAt = 5, MethodAt = 6, IdAt = 8, RemainingAt = 16;

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public FrameKind Kind => (FrameKind)_bytes[KindAt];

    /// <summary>Status of a reply.</summary>
    public RpcStatus Status => (RpcStatus)_bytes[CodeAt];

    public ushort Method => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[MethodAt..]);

    /// <summary>Correlation id; token of a ping.</summary>
    public long Id => BinaryPrimitives.ReadInt64LittleEndian(_bytes[IdAt..]);

    /// <summary>Milliseconds that the caller of a request still waits.</summary>
    public uint Remaining => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[RemainingAt..]);

    public ReadOnlySpan<byte> Body => _bytes[(Kind == FrameKind.Request ? RequestHeaderBytes : HeaderBytes)..];

    /// <summary>
    /// Reads the frame that <paramref name="input"/> begins with. True: it has <paramref name="length"/> bytes. False: more are needed,
    /// and <paramref name="length"/> is the frame's whole length, or 0 if that is not known yet.
    /// Throws <see cref="LinkProtocolException"/> when no further byte could make it valid.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> input, int maxFrameBytes, out NodeFrame frame, out int length)
    {
        frame = default;
        length = 0;
        if (input.Length < 4)
            return false;
        var rest = BinaryPrimitives.ReadUInt32LittleEndian(input);
        if (rest < HeaderBytes - 4 || rest > (uint)(maxFrameBytes - 4))
            ThrowLength(rest, maxFrameBytes);
        length = (int)rest + 4;
        if (input.Length > KindAt)
            CheckKind(input[KindAt], length);
        if (input.Length < length)
            return false;
        frame = new NodeFrame(input[..length]);
        return true;
    }

    public static void WriteRequest(Span<byte> frame, ushort method, long id, uint remaining)
    {
        WriteHeader(frame, FrameKind.Request, 0, method, id);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[RemainingAt..], remaining);
    }

    /// <summary>Writes the header of a frame that fills <paramref name="frame"/>.</summary>
    public static void WriteHeader(Span<byte> frame, FrameKind kind, byte code, ushort method, long id)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)(frame.Length - 4));
        frame[KindAt] = (byte)kind;
        frame[CodeAt] = code;
        BinaryPrimitives.WriteUInt16LittleEndian(frame[MethodAt..], method);
        BinaryPrimitives.WriteInt64LittleEndian(frame[IdAt..], id);
    }

    private static void CheckKind(byte kind, int length)
    {
        if (kind is 0 or > (byte)FrameKind.Bye and < (byte)FrameKind.FirstOptional)
            throw new LinkProtocolException($"frame of unknown kind {kind}");
        if (kind == (byte)FrameKind.Request && length < RequestHeaderBytes)
            throw new LinkProtocolException($"a request of {length} bytes is shorter than its header of {RequestHeaderBytes}");
        if (kind is >= (byte)FrameKind.Ping and <= (byte)FrameKind.Bye && length != HeaderBytes)
            throw new LinkProtocolException($"frame of kind {kind} has {length} bytes instead of {HeaderBytes}");
    }

    private static void ThrowLength(uint rest, int maxFrameBytes) =>
        throw new LinkProtocolException($"frame length {rest} is not within {HeaderBytes - 4} and {maxFrameBytes - 4} (Rpc:MaxFrameBytes)");
}
