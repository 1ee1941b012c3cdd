namespace PushSystem.Protocol;

/// <summary>
/// First bytes of a frame. Byte 0: bits 0–5 opcode, bit 6 critical (a receiver that does not know the opcode must end the
/// connection instead of skipping), bit 7 reserved and 0. Then the body's length as a varint of at most three bytes.
/// </summary>
public static class FrameHeader
{
    /// <summary>Bits 0–5.</summary>
    public const byte OpcodeMask = 0x3F;
    /// <summary>Bit 6.</summary>
    public const byte CriticalFlag = 0x40;
    /// <summary>Bit 7.</summary>
    public const byte ReservedFlag = 0x80;
    /// <summary>Most bytes of the length.</summary>
    public const int MaxLengthBytes = 3;
    /// <summary>Most bytes of a header.</summary>
    public const int MaxSize = 1 + MaxLengthBytes;

    /// <summary>Bytes of the header in front of a body of <paramref name="bodyLength"/> bytes.</summary>
    public static int SizeFor(int bodyLength) => 1 + Varint.SizeOf(bodyLength);

    /// <summary>Writes a header and returns its size.</summary>
    public static int Write(Span<byte> destination, Opcode opcode, int bodyLength)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bodyLength, ProtocolLimits.MaxEncodableBody);
        destination[0] = (byte)opcode;
        return 1 + Varint.Write(destination[1..], bodyLength);
    }
}
