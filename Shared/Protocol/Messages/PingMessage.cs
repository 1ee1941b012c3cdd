using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// PING (16), c→s: <code>next interval varint s (absent = as before)</code> The client will send its next frame at the
/// latest after this interval; the server's deadline is interval × 1.25 + its slack.
/// </summary>
public readonly record struct PingMessage(int NextIntervalSeconds)
{
    /// <summary>Writes the frame: two bytes when the interval is 0, else three to five.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Ping, NextIntervalSeconds == 0 ? 0 : Varint.SizeOf(NextIntervalSeconds));
        if (NextIntervalSeconds != 0)
            writer.Number(NextIntervalSeconds);
        writer.Complete();
    }

    /// <summary>Reads the body; an empty one gives 0. Bytes behind the known fields are ignored.</summary>
    public static PingMessage Read(ReadOnlySpan<byte> body) =>
        body.IsEmpty ? default : new PingMessage(new BodyReader(body).Int("next interval", ProtocolLimits.MaxIntervalSeconds));
}

/// <summary>
/// PONG (17), s→c: <code>nothing, or heartbeat min varint s · heartbeat max varint s</code> Limits are present only when they changed.
/// </summary>
public readonly record struct PongMessage(int HeartbeatMinSeconds, int HeartbeatMaxSeconds)
{
    /// <summary>Writes the frame: two bytes when both limits are 0.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var empty = HeartbeatMaxSeconds == 0;
        var writer = new BodyWriter(output, Opcode.Pong,
            empty ? 0 : Varint.SizeOf(HeartbeatMinSeconds) + Varint.SizeOf(HeartbeatMaxSeconds));
        if (!empty)
        {
            writer.Number(HeartbeatMinSeconds);
            writer.Number(HeartbeatMaxSeconds);
        }
        writer.Complete();
    }

    /// <summary>Reads the body; an empty one gives zeros. Bytes behind the known fields are ignored.</summary>
    public static PongMessage Read(ReadOnlySpan<byte> body)
    {
        if (body.IsEmpty)
            return default;
        var reader = new BodyReader(body);
        return new PongMessage(reader.Int("heartbeat min", ProtocolLimits.MaxIntervalSeconds),
            reader.Int("heartbeat max", ProtocolLimits.MaxIntervalSeconds));
    }
}
