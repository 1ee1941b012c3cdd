using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// FETCH (13), c→s: <code>request id varint · stream key varint · first seq varint (from 1) · count varint (1..1000)</code>
/// Answered by PUSH frames with the fetched flag, in order, then FETCH_OK.
/// </summary>
public readonly record struct FetchMessage(long RequestId, int AppIndex, StreamKind Stream, long FirstSeq, int Count)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Fetch, Varint.SizeOf(RequestId) + Varint.SizeOf(AppIndex * 2 + (int)Stream)
            + Varint.SizeOf(FirstSeq) + Varint.SizeOf(Count));
        writer.Number(RequestId);
        writer.StreamKey(AppIndex, Stream);
        writer.Number(FirstSeq);
        writer.Number(Count);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static FetchMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var id = reader.Number("request id");
        var (index, stream) = reader.StreamKey("stream key");
        var first = reader.Seq("first seq", 1);
        var count = reader.Int("count", ProtocolLimits.MaxFetchCount);
        if (count == 0)
            ProtocolException.ThrowBadFrame($"count is 0; 1 to {ProtocolLimits.MaxFetchCount} are allowed");
        return new FetchMessage(id, index, stream, first, count);
    }
}

/// <summary>
/// FETCH_OK (23), s→c: <code>request id varint · code byte · count varint · next seq varint · top seq varint</code>
/// Count frames were sent. The next FETCH begins at next seq; there is nothing beyond top seq now.
/// </summary>
public readonly record struct FetchOkMessage(long RequestId, ReasonCode Code, int Count, long NextSeq, long TopSeq)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.FetchOk, Varint.SizeOf(RequestId) + 1 + Varint.SizeOf(Count)
            + Varint.SizeOf(NextSeq) + Varint.SizeOf(TopSeq));
        writer.Number(RequestId);
        writer.Byte((byte)Code);
        writer.Number(Count);
        writer.Number(NextSeq);
        writer.Number(TopSeq);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static FetchOkMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        return new FetchOkMessage(reader.Number("request id"), (ReasonCode)reader.Byte("code"),
            reader.Int("count", ProtocolLimits.MaxFetchCount), reader.Seq("next seq"), reader.Seq("top seq"));
    }
}

/// <summary>NOTIFY (22), s→c, pull bindings only: <code>stream key varint · epoch varint · top seq varint</code></summary>
public readonly record struct NotifyMessage(int AppIndex, StreamKind Stream, uint Epoch, long TopSeq)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Notify,
            Varint.SizeOf(AppIndex * 2 + (int)Stream) + Varint.SizeOf(Epoch) + Varint.SizeOf(TopSeq));
        writer.StreamKey(AppIndex, Stream);
        writer.Number(Epoch);
        writer.Number(TopSeq);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static NotifyMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var (index, stream) = reader.StreamKey("stream key");
        return new NotifyMessage(index, stream, (uint)reader.Number("epoch", uint.MaxValue), reader.Seq("top seq"));
    }
}
