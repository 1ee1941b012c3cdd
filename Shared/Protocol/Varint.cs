namespace PushSystem.Protocol;

/// <summary>
/// Unsigned LEB128: seven bits a byte, least significant first, high bit = more follow. At most nine bytes (63 bits), and
/// only the shortest form is valid, so that every value has one encoding.
/// </summary>
public static class Varint
{
    /// <summary>Most bytes of one value.</summary>
    public const int MaxBytes = 9;

    /// <summary>Bytes that <paramref name="value"/> (not negative) takes.</summary>
    public static int SizeOf(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        var bits = 64 - System.Numerics.BitOperations.LeadingZeroCount((ulong)value | 1);
        return (bits + 6) / 7;
    }

    /// <summary>Writes <paramref name="value"/> and returns the bytes used.</summary>
    public static int Write(Span<byte> destination, long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        var rest = (ulong)value;
        var i = 0;
        while (rest >= 0x80)
        {
            destination[i++] = (byte)(rest | 0x80);
            rest >>= 7;
        }
        destination[i++] = (byte)rest;
        return i;
    }

    /// <summary>
    /// Reads one value. True: <paramref name="value"/> and <paramref name="used"/> are set. False: more bytes are needed.
    /// Throws <see cref="ProtocolException"/> when it is longer than <paramref name="maxBytes"/> or not in shortest form.
    /// </summary>
    public static bool TryRead(ReadOnlySpan<byte> source, int maxBytes, out long value, out int used) =>
        TryRead(source, maxBytes, "a number", out value, out used);

    /// <summary>The same, with the field's name for the error; <paramref name="maxBytes"/> is 1 to <see cref="MaxBytes"/>.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> source, int maxBytes, string field, out long value, out int used)
    {
        // Nearly every field of a small frame is one byte.
        if (!source.IsEmpty && source[0] < 0x80)
        {
            value = source[0];
            used = 1;
            return true;
        }
        return TryReadLong(source, maxBytes, field, out value, out used);
    }

    private static bool TryReadLong(ReadOnlySpan<byte> source, int maxBytes, string field, out long value, out int used)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxBytes, MaxBytes);
        ulong result = 0;
        for (var i = 0; i < maxBytes; i++)
        {
            if (i == source.Length)
            {
                value = 0;
                used = 0;
                return false;
            }
            var b = source[i];
            result |= (ulong)(b & 0x7F) << (7 * i);
            if (b < 0x80)
            {
                if (b == 0 && i > 0)
                    ProtocolException.ThrowBadFrame($"{field} is not in its shortest form");
                value = (long)result;
                used = i + 1;
                return true;
            }
        }
        ProtocolException.ThrowBadFrame($"{field} is longer than {maxBytes} bytes");
        value = 0;
        used = 0;
        return false;
    }
}
