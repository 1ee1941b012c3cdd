using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace PushSystem.MariaDb.Results;

/// <summary>Reads values from the text that the server sends. Pure. Throws <see cref="FormatException"/> for what is no such value.</summary>
internal static class FieldText
{
    public static long Integer(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out long value, out var used) && used == text.Length ? value : throw Bad(text, "a whole number of 64 bits");

    public static ulong Unsigned(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out ulong value, out var used) && used == text.Length ? value : throw Bad(text, "a whole number of 64 bits from 0");

    public static decimal Decimal(ReadOnlySpan<byte> text) =>
        decimal.TryParse(text, NumberStyles.Number | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw Bad(text, "a decimal number of at most 28 digits");

    public static double Double(ReadOnlySpan<byte> text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : throw Bad(text, "a number");

    /// <summary>BIT columns come as bytes, the highest first.</summary>
    public static ulong Bits(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        foreach (var one in bytes)
            value = (value << 8) | one;
        return value;
    }

    /// <summary>"yyyy-MM-dd", with " HH:mm:ss" and up to six digits of a second. A zero date is no date.</summary>
    public static DateTime DateTime(ReadOnlySpan<byte> text)
    {
        Span<char> chars = stackalloc char[32];
        if (text.Length <= chars.Length && Encoding.ASCII.GetChars(text, chars) is var length
            && System.DateTime.TryParseExact(
                chars[..length], (string[])["yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm:ss.FFFFFF"], CultureInfo.InvariantCulture,
                DateTimeStyles.None, out var value))
        {
            return value;
        }
        throw Bad(text, "a date");
    }

    /// <summary>"[-]hhh:mm:ss[.ffffff]".</summary>
    public static TimeSpan TimeSpan(ReadOnlySpan<byte> text)
    {
        var rest = text;
        var negative = rest.StartsWith((byte)'-');
        if (negative)
            rest = rest[1..];
        if (!Utf8Parser.TryParse(rest, out int hours, out var used) || used == rest.Length || rest[used] != ':')
            throw Bad(text, "a time");
        rest = rest[(used + 1)..];
        if (rest.Length < 5 || rest[2] != ':' || !Utf8Parser.TryParse(rest[..2], out int minutes, out used) || used != 2
            || !Utf8Parser.TryParse(rest[3..], out decimal seconds, out used) || used != rest.Length - 3)
        {
            throw Bad(text, "a time");
        }
        var ticks = (((hours * 60L) + minutes) * 60 * System.TimeSpan.TicksPerSecond) + (long)(seconds * System.TimeSpan.TicksPerSecond);
        return new TimeSpan(negative ? -ticks : ticks);
    }

    private static FormatException Bad(ReadOnlySpan<byte> text, string wanted) =>
        new($"'{Encoding.UTF8.GetString(text.Length > 64 ? text[..64] : text)}' is not {wanted}.");
}
