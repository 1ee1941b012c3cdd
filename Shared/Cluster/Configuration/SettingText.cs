using System.Globalization;
using System.Net;
using System.Text;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// Values as they are written in the document: durations and sizes carry their unit ("250ms", "64KiB"), because a bare number is read
/// differently by everybody. Pure.
/// </summary>
internal static class SettingText
{
    private const long KiB = 1024, MiB = KiB * 1024, GiB = MiB * 1024;

    private static readonly (string Unit, long Ticks)[] DurationUnits =
    [
        ("d", TimeSpan.TicksPerDay), ("h", TimeSpan.TicksPerHour), ("m", TimeSpan.TicksPerMinute), ("s", TimeSpan.TicksPerSecond),
        ("ms", TimeSpan.TicksPerMillisecond),
    ];

    private static readonly (string Unit, long Size)[] SizeUnits = [("GiB", GiB), ("MiB", MiB), ("KiB", KiB)];

    /// <summary>The value, or null and what would be right.</summary>
    public static object? Read(Type type, string text, bool isSize, out string expected)
    {
        expected = Expected(type, isSize);
        if (type == typeof(TimeSpan))
            return ReadDuration(text);
        if (type == typeof(int))
            return ReadWhole(text, isSize) is { } number and >= int.MinValue and <= int.MaxValue ? (int)number : null;
        if (type == typeof(long))
            return ReadWhole(text, isSize);
        if (type == typeof(double))
            return double.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var real)
                && double.IsFinite(real) ? real : null;
        if (type == typeof(bool))
            return text switch { "true" => true, "false" => false, _ => null };
        if (type == typeof(string))
            return text;
        if (type == typeof(IPNetwork))
            return ReadNetwork(text, ref expected);
        if (type.IsEnum)
            return Enum.GetNames(type).FirstOrDefault(name => NameOf(name) == text || name == text) is { } name ? Enum.Parse(type, name) : null;
        throw new InvalidOperationException($"settings of type {type.Name} are not known");
    }

    /// <summary>The value as <see cref="Read"/> takes it.</summary>
    public static string Format(object value, bool isSize = false) => value switch
    {
        TimeSpan span => FormatDuration(span),
        int or long when isSize => FormatSize(Convert.ToInt64(value, CultureInfo.InvariantCulture)),
        double real => real.ToString("R", CultureInfo.InvariantCulture),
        bool flag => flag ? "true" : "false",
        Enum name => NameOf(name.ToString()),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    /// <summary>What a reader of an error needs to see of a value: short, on one line.</summary>
    public static string Show(string text)
    {
        const int Most = 60;
        var shown = new StringBuilder(Math.Min(text.Length, Most) + 2).Append('\'');
        foreach (var character in text.AsSpan(0, Math.Min(text.Length, Most)))
            shown.Append(char.IsControl(character) || char.IsSurrogate(character) ? '?' : character);
        return shown.Append(text.Length > Most ? "…'" : "'").ToString();
    }

    private static TimeSpan? ReadDuration(string text)
    {
        var unit = DurationUnits.FirstOrDefault(unit => text.EndsWith(unit.Unit, StringComparison.Ordinal) && text.Length > unit.Unit.Length
            && char.IsAsciiDigit(text[^(unit.Unit.Length + 1)]));
        if (unit.Unit is null
            || !decimal.TryParse(text.AsSpan(0, text.Length - unit.Unit.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count))
            return null;
        // Anything near the end of TimeSpan's range is above every bound, so that it need not be exact.
        return count > TimeSpan.MaxValue.Ticks / unit.Ticks ? TimeSpan.MaxValue : TimeSpan.FromTicks((long)(count * unit.Ticks));
    }

    private static string FormatDuration(TimeSpan span)
    {
        if (span == TimeSpan.Zero)
            return "0s";
        foreach (var (unit, ticks) in DurationUnits)
        {
            if (span.Ticks % ticks == 0)
                return (span.Ticks / ticks).ToString(CultureInfo.InvariantCulture) + unit;
        }
        return ((decimal)span.Ticks / TimeSpan.TicksPerMillisecond).ToString(CultureInfo.InvariantCulture) + "ms";
    }

    private static long? ReadWhole(string text, bool isSize)
    {
        var factor = 1L;
        if (isSize && SizeUnits.FirstOrDefault(unit => text.EndsWith(unit.Unit, StringComparison.Ordinal)) is { Unit: not null } unit)
            (factor, text) = (unit.Size, text[..^unit.Unit.Length]);
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number))
            return null;
        return number > long.MaxValue / factor || number < long.MinValue / factor ? (number > 0 ? long.MaxValue : long.MinValue) : number * factor;
    }

    private static string FormatSize(long size)
    {
        foreach (var (unit, factor) in SizeUnits)
        {
            if (size != 0 && size % factor == 0)
                return (size / factor).ToString(CultureInfo.InvariantCulture) + unit;
        }
        return size.ToString(CultureInfo.InvariantCulture);
    }

    private static object? ReadNetwork(string text, ref string expected)
    {
        if (!IPNetwork.TryParse(text, out var network) || network.BaseAddress.IsIPv4MappedToIPv6)
            return null;
        // Whoever writes a host with a prefix may have meant either; the parser would silently take the network.
        if (IPAddress.TryParse(text.AsSpan(0, text.IndexOf('/')), out var address) && address.Equals(network.BaseAddress))
            return network;
        expected = $"a network, whose bits behind the prefix are 0: {network}";
        return null;
    }

    private static string Expected(Type type, bool isSize) => type switch
    {
        _ when type == typeof(TimeSpan) => "a duration with its unit (ms, s, m, h, d), such as 30s",
        _ when (type == typeof(int) || type == typeof(long)) && isSize => "a size in bytes, such as 65536 or 64KiB",
        _ when type == typeof(int) || type == typeof(long) => "a whole number",
        _ when type == typeof(double) => "a number",
        _ when type == typeof(bool) => "true or false",
        _ when type == typeof(IPNetwork) => "a network, such as 192.0.2.0/24 or 2001:db8::/32",
        _ when type.IsEnum => "one of " + string.Join(", ", Enum.GetNames(type).Select(NameOf)),
        _ => "a text",
    };

    // One letter stays as it is (groups A and B); words begin small as all names of the document do.
    private static string NameOf(string member) => member.Length == 1 ? member : char.ToLowerInvariant(member[0]) + member[1..];
}
