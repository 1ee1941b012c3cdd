using System.Globalization;
using System.Net;
using System.Text;
using PushSystem.Contracts;
using PushSystem.Hosting.Problems;
using PushSystem.Protocol;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>
/// The query of GET /v1/route, read in place. Every parameter may be absent or empty; parameters that are not known are ignored, so
/// that a newer client may send more. Allocates only for failed addresses and refusals. On the stack of its request.
/// </summary>
internal ref struct RouteRequest
{
    /// <summary>Most addresses in failed.</summary>
    public const int MaxFailed = 32;

    /// <summary>Longest region and provider, bytes of UTF-8; as many characters are enough for them.</summary>
    public const int MaxNameBytes = 32;

    /// <summary>Bytes of scratch that <see cref="TryRead"/> needs.</summary>
    public const int ScratchBytes = 256;

    private const int MaxAddressText = 64;

    private readonly Span<byte> _scratch;
    private readonly Span<char> _names;
    private int _seen;

    /// <summary>Scratch of <see cref="ScratchBytes"/> bytes, and of twice <see cref="MaxNameBytes"/> characters, both of the caller's stack.</summary>
    public RouteRequest(Span<byte> scratch, Span<char> names)
    {
        _scratch = scratch;
        _names = names;
    }

    /// <summary>Stable key of who asks: the user, or the device of a client that names no user, or the address of one without both.</summary>
    public ulong Key { get; private set; }

    /// <summary>Region that the client says, "" = none.</summary>
    public ReadOnlySpan<char> Region { get; private set; }

    /// <summary>Provider that the client says, "" = none.</summary>
    public ReadOnlySpan<char> Isp { get; private set; }

    /// <summary>Addresses that did not work, or null.</summary>
    public HashSet<RoomAddress>? Failed { get; private set; }

    /// <summary>Reads the query ("?a=b&amp;c=d", or ""). The problem to answer with, or null.</summary>
    public Problem? TryRead(ReadOnlySpan<char> query, IPAddress? client)
    {
        // "app\nuser" or "\n\ndevice": app and user stand one behind the other where they are hashed.
        var app = _scratch[..ProtocolLimits.MaxAppBytes];
        var user = _scratch.Slice(app.Length + 1, ProtocolLimits.MaxUserBytes);
        var device = _scratch.Slice(app.Length + 1 + user.Length + 2, ProtocolLimits.MaxDeviceBytes);
        var name = _scratch[^MaxNameBytes..];
        int appLength = 0, userLength = 0, deviceLength = 0;
        for (var rest = query.TrimStart('?'); !rest.IsEmpty;)
        {
            var end = rest.IndexOf('&');
            var pair = end < 0 ? rest : rest[..end];
            rest = end < 0 ? [] : rest[(end + 1)..];
            var equals = pair.IndexOf('=');
            var value = equals < 0 ? [] : pair[(equals + 1)..];
            var problem = ParameterOf(equals < 0 ? pair : pair[..equals]) switch
            {
                Parameter.App => Text("app", Parameter.App, value, app, out appLength),
                Parameter.User => Text("user", Parameter.User, value, user, out userLength),
                Parameter.Device => Text("device", Parameter.Device, value, device, out deviceLength),
                Parameter.Region => Name("region", Parameter.Region, value, name, _names[..MaxNameBytes]),
                Parameter.Isp => Name("isp", Parameter.Isp, value, name, _names[MaxNameBytes..]),
                Parameter.Failed => ReadFailed(value),
                _ => null,
            };
            if (problem is not null)
                return problem;
        }
        Key = userLength > 0 ? UserKey(appLength, user[..userLength]) : deviceLength > 0 ? DeviceKey(device, deviceLength) : AddressKey(client);
        return null;
    }

    private readonly ulong UserKey(int appLength, ReadOnlySpan<byte> user)
    {
        _scratch[appLength] = (byte)'\n';
        user.CopyTo(_scratch[(appLength + 1)..]);
        return StableHash.Of(_scratch[..(appLength + 1 + user.Length)]);
    }

    private readonly ulong DeviceKey(ReadOnlySpan<byte> device, int length)
    {
        device[..length].CopyTo(_scratch[2..]);
        _scratch[..2].Fill((byte)'\n');
        return StableHash.Of(_scratch[..(2 + length)]);
    }

    private readonly ulong AddressKey(IPAddress? client)
    {
        _scratch[..3].Fill((byte)'\n');
        var length = 0;
        client?.TryFormat(_scratch.Slice(3, MaxAddressText), out length);
        return StableHash.Of(_scratch[..(3 + length)]);
    }

    private Problem? Text(string name, Parameter parameter, ReadOnlySpan<char> raw, Span<byte> target, out int length)
    {
        length = 0;
        if (IsRepeated(parameter))
            return Invalid(name, $"{name} is given twice.", "at most once");
        return QueryValue.Decode(raw, target, out length) switch
        {
            QueryFault.None => null,
            QueryFault.TooLong => Invalid(name, $"{name} is too long.", $"at most {target.Length} bytes of UTF-8"),
            QueryFault.NotUtf8 => Invalid(name, $"{name} is not UTF-8.", $"at most {target.Length} bytes of UTF-8"),
            _ => Invalid(name, $"{name} contains a control character.", $"at most {target.Length} bytes of UTF-8 without control characters"),
        };
    }

    private Problem? Name(string name, Parameter parameter, ReadOnlySpan<char> raw, Span<byte> scratch, Span<char> target)
    {
        if (Text(name, parameter, raw, scratch, out var length) is { } problem)
            return problem;
        var text = target[..Encoding.UTF8.GetChars(scratch[..length], target)];
        if (parameter == Parameter.Region)
            Region = text;
        else
            Isp = text;
        return null;
    }

    private Problem? ReadFailed(ReadOnlySpan<char> raw)
    {
        if (IsRepeated(Parameter.Failed))
            return Invalid("failed", "failed is given twice.", "at most once");
        if (raw.IsEmpty)
            return null;
        if (raw.Length > MaxFailed * (ProtocolLimits.MaxAddressBytes + 1))
            return Invalid("failed", "failed is too long.", $"at most {MaxFailed} addresses");
        var parts = Uri.UnescapeDataString(raw.ToString().Replace('+', ' ')).Split(',');
        if (parts.Length > MaxFailed)
            return Invalid("failed", $"failed has {parts.Length} addresses.", $"at most {MaxFailed} addresses");
        Failed = new HashSet<RoomAddress>(parts.Length);
        for (var i = 0; i < parts.Length; i++)
        {
            if (Address(parts[i], out var address) is { } fault)
                return Invalid($"failed[{i}]", fault, "host:port, [IPv6]:port");
            Failed.Add(address);
        }
        return null;
    }

    private static string? Address(string text, out RoomAddress address)
    {
        address = default;
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || text.Length > ProtocolLimits.MaxAddressBytes
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65_535)
            return "An address is not valid.";
        var host = text[..colon];
        if (host[0] == '[' && host[^1] == ']')
            host = host[1..^1];
        else if (host.Contains(':', StringComparison.Ordinal))
            return "An IPv6 address needs brackets.";
        address = new RoomAddress(host, port);
        return host.Length > 0 ? null : "An address has no host.";
    }

    private bool IsRepeated(Parameter parameter)
    {
        var isSeen = (_seen & (int)parameter) != 0;
        _seen |= (int)parameter;
        return isSeen;
    }

    // Names are compared as the web server does: without regard to case. None of ours needs an escape.
    private static Parameter ParameterOf(ReadOnlySpan<char> name) => name.Length switch
    {
        3 when name.Equals("app", StringComparison.OrdinalIgnoreCase) => Parameter.App,
        3 when name.Equals("isp", StringComparison.OrdinalIgnoreCase) => Parameter.Isp,
        4 when name.Equals("user", StringComparison.OrdinalIgnoreCase) => Parameter.User,
        6 when name.Equals("device", StringComparison.OrdinalIgnoreCase) => Parameter.Device,
        6 when name.Equals("region", StringComparison.OrdinalIgnoreCase) => Parameter.Region,
        6 when name.Equals("failed", StringComparison.OrdinalIgnoreCase) => Parameter.Failed,
        _ => Parameter.Unknown,
    };

    private static Problem Invalid(string field, string detail, string limit) =>
        new(400, "invalid-field", "Invalid field", detail) { Field = field, Limit = limit };

    [Flags]
    private enum Parameter
    {
        Unknown = 0,
        App = 1,
        User = 2,
        Device = 4,
        Region = 8,
        Isp = 16,
        Failed = 32,
    }
}
