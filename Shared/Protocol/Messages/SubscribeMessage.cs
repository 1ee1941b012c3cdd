using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// SUBSCRIBE (14) and UNSUBSCRIBE (15), c→s: <code>request id varint · app index varint · count varint (1..64) · topic text(1..128)…</code>
/// Only towards a server that offers <see cref="Features.Topics"/>.
/// </summary>
public sealed record SubscribeMessage(long RequestId, int AppIndex, IReadOnlyList<string> Topics)
{
    /// <summary>Writes the frame as <see cref="Opcode.Subscribe"/> or <see cref="Opcode.Unsubscribe"/>.</summary>
    public void Write(IBufferWriter<byte> output, Opcode opcode)
    {
        var size = Varint.SizeOf(RequestId) + Varint.SizeOf(AppIndex) + Varint.SizeOf(Topics.Count);
        foreach (var topic in Topics)
            size += BodyWriter.SizeOfText(topic);
        var writer = new BodyWriter(output, opcode, size);
        writer.Number(RequestId);
        writer.Number(AppIndex);
        writer.Number(Topics.Count);
        foreach (var topic in Topics)
            writer.Text(topic);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static SubscribeMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var id = reader.Number("request id");
        var index = reader.Int("app index", ProtocolLimits.MaxAppIndex);
        var count = reader.Int("topic count", ProtocolLimits.MaxTopicsPerFrame);
        if (count == 0)
            ProtocolException.ThrowBadFrame($"topic count is 0; 1 to {ProtocolLimits.MaxTopicsPerFrame} are allowed");
        var topics = new string[count];
        for (var i = 0; i < count; i++)
            topics[i] = reader.Text("topic", ProtocolLimits.MaxTopicBytes, 1);
        return new SubscribeMessage(id, index, topics);
    }
}

/// <summary>SUBSCRIBE_OK (21), s→c: <code>request id varint · code byte</code></summary>
public readonly record struct SubscribeOkMessage(long RequestId, ReasonCode Code)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.SubscribeOk, Varint.SizeOf(RequestId) + 1);
        writer.Number(RequestId);
        writer.Byte((byte)Code);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static SubscribeOkMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        return new SubscribeOkMessage(reader.Number("request id"), (ReasonCode)reader.Byte("code"));
    }
}
