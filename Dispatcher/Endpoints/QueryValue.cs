using System.Text;
using System.Text.Unicode;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>Why a value of the query cannot be used.</summary>
internal enum QueryFault
{
    None,
    TooLong,
    ControlCharacter,
    NotUtf8,
}

/// <summary>Values of a query as UTF-8, without allocations. Pure.</summary>
internal static class QueryValue
{
    /// <summary>
    /// Decodes '+' and "%41" of a value into <paramref name="target"/>; a '%' without two digits stays what it is. The value must be
    /// valid UTF-8 without control characters and fit.
    /// </summary>
    public static QueryFault Decode(ReadOnlySpan<char> raw, Span<byte> target, out int length)
    {
        length = 0;
        var isAscii = true;
        for (var i = 0; i < raw.Length; i++)
        {
            var character = raw[i];
            if (character == '%' && i + 2 < raw.Length && TryHex(raw[i + 1], raw[i + 2], out var value))
                i += 2;
            else if (character == '+')
                value = (byte)' ';
            else if (character < 0x80)
                value = (byte)character;
            else
                return DecodeWide(raw, target, out length);
            if (length == target.Length)
                return QueryFault.TooLong;
            isAscii &= value < 0x80;
            if (value is < 0x20 or 0x7f)
                return QueryFault.ControlCharacter;
            target[length++] = value;
        }
        return isAscii ? QueryFault.None : CheckUtf8(target[..length]);
    }

    // A server that hands on raw UTF-8 in the target; no client of ours writes that.
    private static QueryFault DecodeWide(ReadOnlySpan<char> raw, Span<byte> target, out int length)
    {
        length = 0;
        // Each character takes at most three bytes, and three times the room is more than any value may have.
        if (raw.Length > target.Length * 3)
            return QueryFault.TooLong;
        var text = Uri.UnescapeDataString(raw.ToString().Replace('+', ' '));
        if (!Encoding.UTF8.TryGetBytes(text, target, out length))
            return QueryFault.TooLong;
        return text.Any(char.IsControl) ? QueryFault.ControlCharacter : QueryFault.None;
    }

    private static QueryFault CheckUtf8(ReadOnlySpan<byte> bytes)
    {
        if (!Utf8.IsValid(bytes))
            return QueryFault.NotUtf8;
        // U+0080 to U+009F are control characters too.
        for (var i = bytes.IndexOf((byte)0xc2); i >= 0 && i + 1 < bytes.Length;)
        {
            if (bytes[i + 1] is >= 0x80 and <= 0x9f)
                return QueryFault.ControlCharacter;
            var next = bytes[(i + 1)..].IndexOf((byte)0xc2);
            i = next < 0 ? -1 : i + 1 + next;
        }
        return QueryFault.None;
    }

    private static bool TryHex(char high, char low, out byte value)
    {
        value = 0;
        if (!char.IsAsciiHexDigit(high) || !char.IsAsciiHexDigit(low))
            return false;
        value = (byte)((Digit(high) << 4) | Digit(low));
        return true;
    }

    private static int Digit(char digit) => digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10;
}
