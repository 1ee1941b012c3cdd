using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// ACK (9), c→s: <code>stream key varint (app index × 2 + stream) · epoch tag byte (low 7 bits of the epoch) · seq varint</code>
/// Everything up to seq was processed. The tag keeps an ACK that crosses a RESET from counting for the new epoch.
/// </summary>
public readonly record struct AckMessage(int AppIndex, StreamKind Stream, byte EpochTag, long Seq)
{
    /// <summary>The tag of an epoch.</summary>
    public static byte TagOf(uint epoch) => (byte)(epoch & 0x7F);

    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Ack, Varint.SizeOf(AppIndex * 2 + (int)Stream) + 1 + Varint.SizeOf(Seq));
        writer.StreamKey(AppIndex, Stream);
        writer.Byte(EpochTag);
        writer.Number(Seq);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static AckMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var (index, stream) = reader.StreamKey("stream key");
        var tag = reader.Byte("epoch tag");
        if (tag > 0x7F)
            ProtocolException.ThrowBadFrame($"epoch tag is {tag}; at most 127 is allowed");
        return new AckMessage(index, stream, tag, reader.Seq("seq"));
    }
}

/// <summary>
/// RESET (10), s→c: <code>stream key varint · epoch varint (from 1) · first seq varint (from 1) · reason byte</code>
/// The next PUSH of the stream carries <see cref="FirstSeq"/> of <see cref="Epoch"/>; what lay before and was not received
/// will not come. Acks from now on carry the new epoch's tag.
/// </summary>
public readonly record struct ResetMessage(int AppIndex, StreamKind Stream, uint Epoch, long FirstSeq, ResetReason Reason)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Reset,
            Varint.SizeOf(AppIndex * 2 + (int)Stream) + Varint.SizeOf(Epoch) + Varint.SizeOf(FirstSeq) + 1);
        writer.StreamKey(AppIndex, Stream);
        writer.Number(Epoch);
        writer.Number(FirstSeq);
        writer.Byte((byte)Reason);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static ResetMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var (index, stream) = reader.StreamKey("stream key");
        var epoch = (uint)reader.Number("epoch", uint.MaxValue);
        if (epoch == 0)
            ProtocolException.ThrowBadFrame("epoch is 0; a stream's epochs start at 1");
        return new ResetMessage(index, stream, epoch, reader.Seq("first seq", 1), (ResetReason)reader.Byte("reason"));
    }
}
