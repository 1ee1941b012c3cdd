using System.Buffers;
using System.Text;

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
/// The server closes the connection behind it. This layout is the same in every version of the protocol. The text is for
/// people: when writing, control characters become '?' and what exceeds 255 bytes is cut off.
/// </summary>
public sealed record ErrorMessage(ReasonCode Code, ReconnectAdvice Advice, int WindowMilliseconds, string Text)
{
    /// <summary>Writes the frame.</summary>
    public void Write(IBufferWriter<byte> output)
    {
        var text = Presentable(Text);
        var writer = new BodyWriter(output, Opcode.Error, 2 + Varint.SizeOf(WindowMilliseconds) + BodyWriter.SizeOfText(text));
        writer.Byte((byte)Code);
        writer.Byte((byte)Advice);
        writer.Number(WindowMilliseconds);
        writer.Text(text);
        writer.Complete();
    }

    /// <summary>Reads the body; bytes behind the known fields are ignored.</summary>
    public static ErrorMessage Read(ReadOnlySpan<byte> body)
    {
        var reader = new BodyReader(body);
        return new ErrorMessage((ReasonCode)reader.Byte("code"), (ReconnectAdvice)reader.Byte("advice"),
            reader.Int("window"), reader.Text("text", ProtocolLimits.MaxErrorTextBytes));
    }

    // An error about an error helps nobody: the reason must reach the peer whatever its text is.
    private static string Presentable(string text)
    {
        var length = 0;
        var clean = true;
        var end = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            if (length + rune.Utf8SequenceLength > ProtocolLimits.MaxErrorTextBytes)
                break;
            length += rune.Utf8SequenceLength;
            end += rune.Utf16SequenceLength;
            clean &= !Rune.IsControl(rune) && rune != Rune.ReplacementChar;
        }
        if (clean)
            return text[..end];
        var shown = new StringBuilder(end);
        foreach (var rune in text.AsSpan(0, end).EnumerateRunes())
            shown.Append(Rune.IsControl(rune) ? new Rune('?') : rune);
        return shown.ToString();
    }
}
