using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>One frame as it was received. <see cref="Body"/> aliases the input: copy what must outlive it.</summary>
public readonly struct Frame(Opcode opcode, bool critical, ReadOnlySequence<byte> body)
{
    /// <summary>What it is; may be a number without a name.</summary>
    public Opcode Opcode { get; } = opcode;
    /// <summary>A receiver that does not know the opcode must end the connection.</summary>
    public bool Critical { get; } = critical;
    /// <summary>The bytes behind the header.</summary>
    public ReadOnlySequence<byte> Body { get; } = body;
}

/// <summary>Splits bytes into frames. Stateless; any thread.</summary>
public static class FrameReader
{
    /// <summary>
    /// Reads one frame. True: <paramref name="input"/> starts after it. False: input is untouched and more bytes are needed.
    /// Throws <see cref="ProtocolException"/> as soon as no further byte could make it valid, before any allocation.
    /// </summary>
    public static bool TryRead(ref ReadOnlySequence<byte> input, int maxBody, out Frame frame)
    {
        frame = default;
        if (input.IsEmpty)
            return false;
        Span<byte> scratch = stackalloc byte[FrameHeader.MaxSize];
        scoped var head = input.FirstSpan;
        if (head.Length < FrameHeader.MaxSize && !input.IsSingleSegment)
        {
            var start = input.Slice(0, Math.Min(input.Length, FrameHeader.MaxSize));
            start.CopyTo(scratch);
            head = scratch[..(int)start.Length];
        }
        if (!TryReadHeader(head, maxBody, out var opcode, out var critical, out var headerSize, out var length))
            return false;
        if (input.Length - headerSize < length)
            return false;
        frame = new Frame(opcode, critical, input.Slice(headerSize, length));
        input = input.Slice(headerSize + length);
        return true;
    }

    /// <summary>
    /// Reads only the header. False: more bytes are needed. <paramref name="length"/> is already checked against
    /// <paramref name="maxBody"/>.
    /// </summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> head, int maxBody, out Opcode opcode, out bool critical, out int headerSize, out int length)
    {
        opcode = default;
        critical = false;
        headerSize = 0;
        length = 0;
        if (head.IsEmpty)
            return false;
        var type = head[0];
        if ((type & FrameHeader.ReservedFlag) != 0)
            ProtocolException.ThrowBadFrame("the reserved bit of the frame type is set");
        if ((type & FrameHeader.OpcodeMask) == 0)
            ProtocolException.ThrowBadFrame("frame type 0 is not valid");
        if (!Varint.TryRead(head[1..], FrameHeader.MaxLengthBytes, "frame length", out var value, out var used))
            return false;
        opcode = (Opcode)(type & FrameHeader.OpcodeMask);
        if (value > maxBody)
            ProtocolException.ThrowTooLarge(opcode, (int)value, maxBody);
        critical = (type & FrameHeader.CriticalFlag) != 0;
        headerSize = 1 + used;
        length = (int)value;
        return true;
    }
}
