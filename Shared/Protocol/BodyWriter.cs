using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace PushSystem.Protocol;

/// <summary>
/// Writes one frame: the size is known first, one span is taken, one Advance follows. <see cref="Complete"/> checks that
/// exactly the announced bytes were written; a mismatch is a bug here, not the peer's fault.
/// </summary>
public ref struct BodyWriter
{
    // Throws on half a surrogate pair instead of replacing it: an id must never turn into another id.
    internal static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    private readonly IBufferWriter<byte> _output;
    private readonly int _total;
    private Span<byte> _rest;

    /// <summary>Takes the span for header and body and writes the header.</summary>
    public BodyWriter(IBufferWriter<byte> output, Opcode opcode, int bodyLength)
    {
        _output = output;
        _total = FrameHeader.SizeFor(bodyLength) + bodyLength;
        var span = output.GetSpan(_total)[.._total];
        _rest = span[FrameHeader.Write(span, opcode, bodyLength)..];
    }

    /// <summary>Hands the frame to the output.</summary>
    public readonly void Complete()
    {
        if (!_rest.IsEmpty)
            throw new InvalidOperationException($"the frame's size was announced {_rest.Length} bytes too large");
        _output.Advance(_total);
    }

    /// <summary>One byte.</summary>
    public void Byte(byte value)
    {
        _rest[0] = value;
        _rest = _rest[1..];
    }

    /// <summary>A number, not negative.</summary>
    public void Number(long value) => _rest = _rest[Varint.Write(_rest, value)..];

    /// <summary>Eight bytes, little endian.</summary>
    public void Fixed64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_rest, value);
        _rest = _rest[8..];
    }

    /// <summary>Bytes without a length.</summary>
    public void Raw(ReadOnlySpan<byte> value)
    {
        value.CopyTo(_rest);
        _rest = _rest[value.Length..];
    }

    /// <summary>Length and bytes.</summary>
    public void Bytes(ReadOnlySpan<byte> value)
    {
        Number(value.Length);
        Raw(value);
    }

    /// <summary>Length and UTF-8 text. Throws <see cref="ArgumentException"/> when the text has half a surrogate pair.</summary>
    public void Text(string value)
    {
        var length = StrictUtf8.GetByteCount(value);
        Number(length);
        StrictUtf8.GetBytes(value, _rest);
        _rest = _rest[length..];
    }

    /// <summary>A stream position.</summary>
    public void Position(StreamPosition value)
    {
        Number(value.Epoch);
        Number(value.Seq);
    }

    /// <summary>A stream key: app index × 2 + stream.</summary>
    public void StreamKey(int appIndex, StreamKind stream) => Number(appIndex * 2 + (int)stream);

    /// <summary>Size of <see cref="Text"/>.</summary>
    public static int SizeOfText(string value)
    {
        var length = StrictUtf8.GetByteCount(value);
        return Varint.SizeOf(length) + length;
    }

    /// <summary>Size of <see cref="Bytes"/>.</summary>
    public static int SizeOfBytes(int length) => Varint.SizeOf(length) + length;

    /// <summary>Size of <see cref="Position"/>.</summary>
    public static int SizeOfPosition(StreamPosition value) => Varint.SizeOf(value.Epoch) + Varint.SizeOf(value.Seq);

    /// <summary>Size of <see cref="StreamKey"/>.</summary>
    public static int SizeOfStreamKey(int appIndex) => Varint.SizeOf(appIndex * 2 + 1);
}
