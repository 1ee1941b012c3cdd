namespace PushSystem.Loadtest.Checks;

/// <summary>
/// What every payload of the harness begins with, as ASCII so that it fits the API's "text":
/// <code>"pl" · run, 8 hex · app, 8 hex · kind, 'u' or 'b' · user number, 8 hex · number, 12 hex · intended send time, 16 hex</code>
/// The rest up to the wanted size is filled with dots.
/// </summary>
internal readonly record struct PayloadStamp(uint Run, uint App, byte Kind, int User, long Number, long Time)
{
    /// <summary>Bytes of the stamp: the smallest payload.</summary>
    public const int Size = 2 + 8 + 8 + 1 + 8 + 12 + 16;
    /// <summary>A message to one user.</summary>
    public const byte Unicast = (byte)'u';
    /// <summary>A broadcast; the user number is 0.</summary>
    public const byte Broadcast = (byte)'b';

    /// <summary>FNV-1a of an app id: enough to notice another tenant's message.</summary>
    public static uint HashOf(string app)
    {
        var hash = 2166136261;
        foreach (var character in app)
            hash = (hash ^ character) * 16777619;
        return hash;
    }

    /// <summary>Writes stamp and filling into the whole of <paramref name="payload"/>, at least <see cref="Size"/> bytes.</summary>
    public void Write(Span<byte> payload)
    {
        "pl"u8.CopyTo(payload);
        WriteHex(payload[2..10], Run);
        WriteHex(payload[10..18], App);
        payload[18] = Kind;
        WriteHex(payload[19..27], (uint)User);
        WriteHex(payload[27..39], (ulong)Number);
        WriteHex(payload[39..55], (ulong)Time);
        payload[Size..].Fill((byte)'.');
    }

    /// <summary>False when the payload is not one of the harness.</summary>
    public static bool TryRead(ReadOnlySpan<byte> payload, out PayloadStamp stamp)
    {
        stamp = default;
        if (payload.Length < Size || !payload.StartsWith("pl"u8))
            return false;
        if (!TryHex(payload[2..10], out var run) || !TryHex(payload[10..18], out var app) || !TryHex(payload[19..27], out var user)
            || !TryHex(payload[27..39], out var number) || !TryHex(payload[39..55], out var time) || user > int.MaxValue)
            return false;
        stamp = new PayloadStamp((uint)run, (uint)app, payload[18], (int)user, (long)number, (long)time);
        return true;
    }

    private static void WriteHex(Span<byte> destination, ulong value)
    {
        for (var i = destination.Length - 1; i >= 0; i--)
        {
            var digit = (byte)(value & 15);
            destination[i] = (byte)(digit < 10 ? '0' + digit : 'a' - 10 + digit);
            value >>= 4;
        }
    }

    private static bool TryHex(ReadOnlySpan<byte> source, out ulong value)
    {
        value = 0;
        foreach (var b in source)
        {
            var digit = b switch
            {
                >= (byte)'0' and <= (byte)'9' => b - '0',
                >= (byte)'a' and <= (byte)'f' => b - 'a' + 10,
                _ => -1,
            };
            if (digit < 0)
                return false;
            value = (value << 4) | (uint)digit;
        }
        return true;
    }
}
