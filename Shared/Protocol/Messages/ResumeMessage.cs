using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>What the client has processed of one binding: <code>app index varint · mailbox position · broadcast position</code></summary>
public readonly record struct ResumePosition(int AppIndex, StreamPosition Mailbox, StreamPosition Broadcast);

/// <summary>
/// RESUME (3), c→s, instead of LOGIN as the first frame:
/// <code>resume ticket bytes(1..255) · next interval varint s (0 = default) · count varint · (app index varint · mailbox position · broadcast position)…</code>
/// </summary>
public sealed record ResumeMessage(ReadOnlyMemory<byte> Ticket, int NextIntervalSeconds, IReadOnlyList<ResumePosition> Positions)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var size = BodyWriter.SizeOfBytes(Ticket.Length) + Varint.SizeOf(NextIntervalSeconds) + Varint.SizeOf(Positions.Count);
        foreach (var position in Positions)
            size += Varint.SizeOf(position.AppIndex) + BodyWriter.SizeOfPosition(position.Mailbox) + BodyWriter.SizeOfPosition(position.Broadcast);
        var writer = new BodyWriter(output, Opcode.Resume, size);
        writer.Bytes(Ticket.Span);
        writer.Number(NextIntervalSeconds);
        writer.Number(Positions.Count);
        foreach (var position in Positions)
        {
            writer.Number(position.AppIndex);
            writer.Position(position.Mailbox);
            writer.Position(position.Broadcast);
        }
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static ResumeMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var ticket = reader.Bytes("resume ticket", ProtocolLimits.MaxResumeTicketBytes, 1).ToArray();
        var interval = reader.Int("next interval", ProtocolLimits.MaxIntervalSeconds);
        var positions = new ResumePosition[reader.Int("position count", ProtocolLimits.MaxBindings)];
        for (var i = 0; i < positions.Length; i++)
        {
            positions[i] = new ResumePosition(reader.Int("app index", ProtocolLimits.MaxAppIndex),
                reader.Position("mailbox position"), reader.Position("broadcast position"));
        }
        return new ResumeMessage(ticket, interval, positions);
    }
}

/// <summary>
/// RESUME_OK (4), s→c: <code>code byte · settings (only with code 0)</code> Code 0: every binding and index of the lost
/// connection is in force again. Code <see cref="ReasonCode.ResumeUnknown"/>: send LOGIN on this connection.
/// </summary>
public sealed record ResumeOkMessage(ReasonCode Code, SessionSettings? Settings)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.ResumeOk, 1 + (Code == ReasonCode.Ok ? Settings!.Size : 0));
        writer.Byte((byte)Code);
        if (Code == ReasonCode.Ok)
            Settings!.Write(ref writer);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static ResumeOkMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var code = (ReasonCode)reader.Byte("code");
        return new ResumeOkMessage(code, code == ReasonCode.Ok ? SessionSettings.Read(ref reader) : null);
    }
}
