using System.Buffers;

namespace PushSystem.Protocol;

/// <summary>
/// GOAWAY (18), s→c: <code>reason byte · scope varint (0 = connection, n + 1 = the binding with app index n) · advice byte ·
/// window varint ms · address count varint · address text(1..255)…</code>
/// With scope 0 the server closes the connection behind the frame. With a binding's scope only that binding has ended and
/// its index is dead. Advice <see cref="ReconnectAdvice.Window"/>: return at a random moment within the window, to the
/// addresses if there are any, else through the dispatcher.
/// </summary>
public sealed record GoAwayMessage(
    ReasonCode Reason, int? AppIndex, ReconnectAdvice Advice, int WindowMilliseconds, IReadOnlyList<string> Addresses)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var scope = AppIndex is { } index ? index + 1 : 0;
        var writer = new BodyWriter(output, Opcode.GoAway,
            1 + Varint.SizeOf(scope) + 1 + Varint.SizeOf(WindowMilliseconds) + AddressList.SizeOf(Addresses));
        writer.Byte((byte)Reason);
        writer.Number(scope);
        writer.Byte((byte)Advice);
        writer.Number(WindowMilliseconds);
        AddressList.Write(ref writer, Addresses);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static GoAwayMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        var reason = (ReasonCode)reader.Byte("reason");
        var scope = reader.Int("scope", ProtocolLimits.MaxAppIndex + 1);
        return new GoAwayMessage(reason, scope == 0 ? null : scope - 1, (ReconnectAdvice)reader.Byte("advice"),
            reader.Int("window"), AddressList.Read(ref reader));
    }
}

/// <summary>
/// ERROR (19), s→c: <code>code byte · advice byte · window varint ms · text text(0..255)</code>
/// The server closes the connection behind it. This layout is the same in every version of the protocol.
/// </summary>
public sealed record ErrorMessage(ReasonCode Code, ReconnectAdvice Advice, int WindowMilliseconds, string Text)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output, Opcode.Error, 2 + Varint.SizeOf(WindowMilliseconds) + BodyWriter.SizeOfText(Text));
        writer.Byte((byte)Code);
        writer.Byte((byte)Advice);
        writer.Number(WindowMilliseconds);
        writer.Text(Text);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static ErrorMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        return new ErrorMessage((ReasonCode)reader.Byte("code"), (ReconnectAdvice)reader.Byte("advice"),
            reader.Int("window"), reader.Text("text", ProtocolLimits.MaxErrorTextBytes));
    }
}
