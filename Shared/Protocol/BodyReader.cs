using System.Text;
using System.Text.Unicode;

namespace PushSystem.Protocol;

/// <summary>
/// Reads the fields of one frame body from front to back; every length is checked before it is used. Throws
/// <see cref="ProtocolException"/> with the field's name, never anything else. Spans alias the body.
/// </summary>
public ref struct BodyReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;

    /// <summary>Bytes not read yet.</summary>
    public readonly int Remaining => _rest.Length;

    /// <summary>Takes all that is left.</summary>
    public ReadOnlySpan<byte> Rest()
    {
        var rest = _rest;
        _rest = default;
        return rest;
    }

    /// <summary>One byte.</summary>
    public byte Byte(string field)
    {
        if (_rest.IsEmpty)
            ProtocolException.ThrowBadFrame($"{field} is missing");
        var value = _rest[0];
        _rest = _rest[1..];
        return value;
    }

    /// <summary>A number from 0 to <paramref name="max"/>.</summary>
    public long Number(string field, long max = long.MaxValue)
    {
        if (!Varint.TryRead(_rest, Varint.MaxBytes, field, out var value, out var used))
            ProtocolException.ThrowBadFrame($"{field} is cut off");
        if (value > max)
            ProtocolException.ThrowBadFrame($"{field} is {value}; at most {max} is allowed");
        _rest = _rest[used..];
        return value;
    }

    /// <summary>A number that fits an int, from 0 to <paramref name="max"/>.</summary>
    public int Int(string field, int max = int.MaxValue) => (int)Number(field, max);

    /// <summary>Eight bytes, little endian.</summary>
    public ulong Fixed64(string field)
    {
        if (_rest.Length < 8)
            ProtocolException.ThrowBadFrame($"{field} is cut off");
        var value = System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(_rest);
        _rest = _rest[8..];
        return value;
    }

    /// <summary>Length and bytes.</summary>
    public ReadOnlySpan<byte> Bytes(string field, int max, int min = 0)
    {
        var length = Number(field);
        if (length > max || length < min)
            ProtocolException.ThrowBadFrame($"{field} has {length} bytes; {min} to {max} are allowed");
        if (length > _rest.Length)
            ProtocolException.ThrowBadFrame($"{field} is cut off");
        var value = _rest[..(int)length];
        _rest = _rest[(int)length..];
        return value;
    }

    /// <summary>Length and UTF-8 text of <paramref name="min"/> to <paramref name="max"/> bytes without control characters (U+0000 to U+001F, U+007F to U+009F).</summary>
    public string Text(string field, int max, int min = 0)
    {
        var bytes = Bytes(field, max, min);
        // Checked before decoding, which would replace what is not UTF-8: an id must never turn into another id.
        if (!Utf8.IsValid(bytes))
            ProtocolException.ThrowBadFrame($"{field} is not UTF-8");
        // U+0080 to U+009F are the two bytes C2 80 to C2 9F; terminals obey some of them when a log is shown.
        for (var i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] is < 0x20 or 0x7F || (bytes[i] == 0xC2 && bytes[i + 1] < 0xA0))
                ProtocolException.ThrowBadFrame($"{field} contains a control character");
        }
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>A sequence number from <paramref name="min"/> to <see cref="ProtocolLimits.MaxSeq"/>.</summary>
    public long Seq(string field, long min = 0)
    {
        var value = Number(field, ProtocolLimits.MaxSeq);
        if (value < min)
            ProtocolException.ThrowBadFrame($"{field} is {value}; at least {min} is needed");
        return value;
    }

    /// <summary>A stream position: epoch, then seq.</summary>
    public StreamPosition Position(string field) => new((uint)Number(field, uint.MaxValue), Seq(field));

    /// <summary>A stream key: app index × 2 + stream.</summary>
    public (int AppIndex, StreamKind Stream) StreamKey(string field)
    {
        var key = Int(field, ProtocolLimits.MaxAppIndex * 2 + 1);
        return (key >> 1, (StreamKind)(key & 1));
    }
}
