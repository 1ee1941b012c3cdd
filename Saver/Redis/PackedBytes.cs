using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using PushSystem.Contracts;

namespace PushSystem.Saver.Redis;

/// <summary>
/// Writes the packed records of redis and the landing tier: numbers as LEB128 (7 bits per byte, lowest first), byte strings with their
/// length in front. One thread; reused by clearing.
/// </summary>
internal sealed class PackedWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    public int Length => _buffer.WrittenCount;

    public void Clear() => _buffer.ResetWrittenCount();

    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();

    public void Byte(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
    }

    /// <summary>Not negative.</summary>
    public void Number(long value)
    {
        var rest = (ulong)value;
        var span = _buffer.GetSpan(10);
        var length = 0;
        while (rest >= 0x80)
        {
            span[length++] = (byte)(rest | 0x80);
            rest >>= 7;
        }
        span[length++] = (byte)rest;
        _buffer.Advance(length);
    }

    public void Bytes(ReadOnlySpan<byte> value)
    {
        Number(value.Length);
        _buffer.Write(value);
    }
}

/// <summary>Reads what <see cref="PackedWriter"/> wrote. Throws <see cref="InvalidDataException"/>; never reads beyond its bytes.</summary>
internal ref struct PackedReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _rest = bytes;

    public readonly bool IsAtEnd => _rest.IsEmpty;

    public byte Byte()
    {
        if (_rest.IsEmpty)
            throw Short();
        var value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    public long Number()
    {
        ulong value = 0;
        for (var shift = 0; shift < 63; shift += 7)
        {
            var one = Byte();
            value |= (ulong)(one & 0x7f) << shift;
            if (one < 0x80)
                return (long)value;
        }
        throw new InvalidDataException("A packed number has more than 63 bits.");
    }

    /// <summary>A number that counts something of which there can be at most <paramref name="most"/>.</summary>
    public int Count(int most)
    {
        var value = Number();
        return value <= most ? (int)value : throw new InvalidDataException($"A packed record counts {value}, at most {most} are possible.");
    }

    public ReadOnlySpan<byte> Bytes()
    {
        var length = Number();
        if (length > _rest.Length)
            throw Short();
        var value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return value;
    }

    private static InvalidDataException Short() => new("A packed record ends too early.");
}

/// <summary>
/// A message as it lies in redis: seq (6 bytes), kind (1), acceptedAt (6), expiresAt (6), all little-endian, then the payload. The heads
/// that a script returns are the first 19 bytes of each with the payload's length (4) behind. Pure.
/// </summary>
internal static class PackedMessage
{
    public const int HeaderBytes = 19;
    public const int HeadBytes = HeaderBytes + 4;

    public static byte[] Write(long seq, PushSystem.Protocol.PayloadKind kind, long acceptedAt, long expiresAt, ReadOnlySpan<byte> payload)
    {
        var bytes = new byte[HeaderBytes + payload.Length];
        Write48(bytes, seq);
        bytes[6] = (byte)kind;
        Write48(bytes.AsSpan(7), acceptedAt);
        Write48(bytes.AsSpan(13), expiresAt);
        payload.CopyTo(bytes.AsSpan(HeaderBytes));
        return bytes;
    }

    public static long Seq(ReadOnlySpan<byte> packed) => Read48(Checked(packed));

    public static PushSystem.Protocol.PayloadKind Kind(ReadOnlySpan<byte> packed) => (PushSystem.Protocol.PayloadKind)Checked(packed)[6];

    public static long AcceptedAt(ReadOnlySpan<byte> packed) => Read48(Checked(packed)[7..]);

    public static long ExpiresAt(ReadOnlySpan<byte> packed) => Read48(Checked(packed)[13..]);

    public static MessageHead Head(ReadOnlySpan<byte> packed) =>
        new(Seq(packed), AcceptedAt(packed), ExpiresAt(packed), packed.Length - HeaderBytes);

    /// <summary>The heads of a whole list, as the script packs them.</summary>
    public static List<MessageHead> Heads(ReadOnlySpan<byte> heads)
    {
        if (heads.Length % HeadBytes != 0)
            throw new InvalidDataException($"The heads of a mailbox have {heads.Length} bytes, not a multiple of {HeadBytes}.");
        var list = new List<MessageHead>(heads.Length / HeadBytes);
        for (; !heads.IsEmpty; heads = heads[HeadBytes..])
        {
            list.Add(new MessageHead(
                Seq(heads), AcceptedAt(heads), ExpiresAt(heads), BinaryPrimitives.ReadInt32LittleEndian(heads[HeaderBytes..])));
        }
        return list;
    }

    private static ReadOnlySpan<byte> Checked(ReadOnlySpan<byte> packed) =>
        packed.Length >= HeaderBytes ? packed : throw new InvalidDataException($"A stored message has {packed.Length} bytes, at least {HeaderBytes} are needed.");

    private static void Write48(Span<byte> at, long value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(at, (uint)value);
        BinaryPrimitives.WriteUInt16LittleEndian(at[4..], (ushort)(value >> 32));
    }

    private static long Read48(ReadOnlySpan<byte> at) =>
        BinaryPrimitives.ReadUInt32LittleEndian(at) | ((long)BinaryPrimitives.ReadUInt16LittleEndian(at[4..]) << 32);
}

/// <summary>A waiting message without its payload.</summary>
internal readonly record struct MessageHead(long Seq, long AcceptedAt, long ExpiresAt, int Size);

/// <summary>A user in keys, fields and rows: the app's UTF-8, a zero byte (no app has one), the user's UTF-8. Pure.</summary>
internal static class PackedUser
{
    public static byte[] Write(UserKey key)
    {
        var app = Encoding.UTF8.GetByteCount(key.App);
        var bytes = new byte[app + 1 + Encoding.UTF8.GetByteCount(key.User)];
        Encoding.UTF8.GetBytes(key.App, bytes);
        Encoding.UTF8.GetBytes(key.User, bytes.AsSpan(app + 1));
        return bytes;
    }

    public static UserKey Read(ReadOnlySpan<byte> bytes)
    {
        var zero = bytes.IndexOf((byte)0);
        if (zero < 1)
            throw new InvalidDataException("A stored user has no app.");
        return new UserKey(Encoding.UTF8.GetString(bytes[..zero]), Encoding.UTF8.GetString(bytes[(zero + 1)..]));
    }
}
