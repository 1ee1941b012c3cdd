using System.Globalization;

namespace PushSystem.MariaDb.Statements;

/// <summary>
/// Writes values as SQL literals that mean the same in every sql_mode: texts with doubled quotes, or in hexadecimal when they have a
/// backslash (whose meaning depends on NO_BACKSLASH_ESCAPES); bytes always in hexadecimal. Pure.
/// </summary>
internal static class Literal
{
    /// <summary>Throws <see cref="ArgumentException"/> or <see cref="NotSupportedException"/> for a value that cannot be written.</summary>
    public static void Write(StatementBuffer buffer, object? value)
    {
        switch (value)
        {
            case null or DBNull:
                buffer.Write("NULL"u8);
                break;
            case string text:
                WriteText(buffer, text);
                break;
            case byte[] bytes:
                WriteBytes(buffer, bytes);
                break;
            case ReadOnlyMemory<byte> bytes:
                WriteBytes(buffer, bytes.Span);
                break;
            case Memory<byte> bytes:
                WriteBytes(buffer, bytes.Span);
                break;
            case ArraySegment<byte> bytes:
                WriteBytes(buffer, bytes);
                break;
            case long number:
                WriteNumber(buffer, number);
                break;
            case int number:
                WriteNumber(buffer, number);
                break;
            case bool flag:
                buffer.Write(flag ? (byte)'1' : (byte)'0');
                break;
            case Enum:
                WriteOther(buffer, Convert.ChangeType(value, Enum.GetUnderlyingType(value.GetType()), CultureInfo.InvariantCulture));
                break;
            default:
                WriteOther(buffer, value);
                break;
        }
    }

    private static void WriteOther(StatementBuffer buffer, object value)
    {
        switch (value)
        {
            case byte number:
                WriteNumber(buffer, number);
                break;
            case sbyte number:
                WriteNumber(buffer, number);
                break;
            case short number:
                WriteNumber(buffer, number);
                break;
            case ushort number:
                WriteNumber(buffer, number);
                break;
            case int number:
                WriteNumber(buffer, number);
                break;
            case uint number:
                WriteNumber(buffer, number);
                break;
            case long number:
                WriteNumber(buffer, number);
                break;
            case ulong number:
                buffer.WriteFormatted(number);
                break;
            case decimal number:
                WriteSigned(buffer, number, number < 0);
                break;
            case float number:
                WriteFloat(buffer, number);
                break;
            case double number:
                WriteFloat(buffer, number);
                break;
            case char one:
                WriteText(buffer, one.ToString());
                break;
            case Guid id:
                WriteQuoted(buffer, id, "d");
                break;
            case DateTime time:
                WriteQuoted(buffer, time, "yyyy-MM-dd HH:mm:ss.ffffff");
                break;
            case DateTimeOffset time:
                WriteQuoted(buffer, time.UtcDateTime, "yyyy-MM-dd HH:mm:ss.ffffff");
                break;
            case DateOnly date:
                WriteQuoted(buffer, date, "yyyy-MM-dd");
                break;
            case TimeOnly time:
                WriteQuoted(buffer, time, "HH:mm:ss.ffffff");
                break;
            case TimeSpan span:
                WriteSpan(buffer, span);
                break;
            default:
                throw new NotSupportedException($"A parameter of type {value.GetType()} cannot be sent.");
        }
    }

    private static void WriteNumber(StatementBuffer buffer, long number) => WriteSigned(buffer, number, number < 0);

    // In brackets, because "1-@x" with -1 would begin a comment.
    private static void WriteSigned<T>(StatementBuffer buffer, T number, bool negative) where T : IUtf8SpanFormattable
    {
        if (negative)
            buffer.Write((byte)'(');
        buffer.WriteFormatted(number);
        if (negative)
            buffer.Write((byte)')');
    }

    private static void WriteFloat<T>(StatementBuffer buffer, T number) where T : System.Numerics.IFloatingPointIeee754<T>
    {
        if (!T.IsFinite(number))
            throw new ArgumentException($"{number} is no number that the database knows.");
        // With an exponent it is a floating point literal, not a decimal one.
        WriteSigned(buffer, double.CreateChecked(number), T.IsNegative(number), typeof(T) == typeof(float) ? "E8" : "E16");
    }

    private static void WriteSigned(StatementBuffer buffer, double number, bool negative, string format)
    {
        if (negative)
            buffer.Write((byte)'(');
        buffer.WriteFormatted(number, format);
        if (negative)
            buffer.Write((byte)')');
    }

    private static void WriteQuoted<T>(StatementBuffer buffer, T value, ReadOnlySpan<char> format) where T : IUtf8SpanFormattable
    {
        buffer.Write((byte)'\'');
        buffer.WriteFormatted(value, format);
        buffer.Write((byte)'\'');
    }

    private static void WriteSpan(StatementBuffer buffer, TimeSpan span)
    {
        buffer.Write((byte)'\'');
        if (span < TimeSpan.Zero)
            buffer.Write((byte)'-');
        var ticks = (ulong)Math.Abs((decimal)span.Ticks);
        buffer.WriteFormatted(ticks / (ulong)TimeSpan.TicksPerHour, "00");
        var rest = TimeSpan.FromTicks((long)(ticks % (ulong)TimeSpan.TicksPerHour));
        buffer.WriteFormatted(rest, @"\:mm\:ss\.ffffff");
        buffer.Write((byte)'\'');
    }

    private static void WriteText(StatementBuffer buffer, string text)
    {
        if (text.Contains('\\'))
        {
            WriteTextAsHex(buffer, text);
            return;
        }
        buffer.Write((byte)'\'');
        var rest = text.AsSpan();
        while (rest.IndexOf('\'') is var quote && quote >= 0)
        {
            buffer.WriteText(rest[..quote]);
            buffer.Write("''"u8);
            rest = rest[(quote + 1)..];
        }
        buffer.WriteText(rest);
        buffer.Write((byte)'\'');
    }

    private static void WriteTextAsHex(StatementBuffer buffer, string text)
    {
        using var plain = new StatementBuffer();
        plain.WriteText(text);
        buffer.Write("_utf8mb4 X'"u8);
        buffer.WriteHex(plain.Written.Span);
        buffer.Write((byte)'\'');
    }

    private static void WriteBytes(StatementBuffer buffer, ReadOnlySpan<byte> bytes)
    {
        buffer.Write("_binary X'"u8);
        buffer.WriteHex(bytes);
        buffer.Write((byte)'\'');
    }
}
