using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using PushSystem.Contracts;
using PushSystem.Dispatcher.Routes;
using PushSystem.Hosting.Problems;
using PushSystem.Protocol;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>
/// Reads the query of GET /v1/route. Every parameter may be absent or empty; parameters that are not known are ignored, so that a
/// newer client may send more. Pure.
/// </summary>
internal static class RouteRequest
{
    /// <summary>Most addresses in failed.</summary>
    public const int MaxFailed = 32;

    private const int MaxNameBytes = 32;
    private static readonly HashSet<RoomAddress> NoneFailed = [];

    /// <summary>
    /// The question. A client that names no user is told apart by its device, and one without both by its address. Throws the
    /// problem to answer with.
    /// </summary>
    public static RouteQuery Read(IQueryCollection query, IPAddress? client)
    {
        var app = Text(query, "app", ProtocolLimits.MaxAppBytes);
        var user = Text(query, "user", ProtocolLimits.MaxUserBytes);
        var device = Text(query, "device", ProtocolLimits.MaxDeviceBytes);
        var who = user.Length > 0 ? $"{app}\n{user}" : device.Length > 0 ? $"\n\n{device}" : $"\n\n\n{client}";
        return new RouteQuery(
            StableHash.Of(who), Text(query, "region", MaxNameBytes), Text(query, "isp", MaxNameBytes), Failed(query));
    }

    private static string Text(IQueryCollection query, string name, int maxBytes)
    {
        var text = Single(query, name);
        if (text.Length > maxBytes || Encoding.UTF8.GetByteCount(text) > maxBytes)
            throw Invalid(name, $"{name} is too long.", $"at most {maxBytes} bytes of UTF-8");
        return text.Any(char.IsControl)
            ? throw Invalid(name, $"{name} contains a control character.", $"at most {maxBytes} bytes of UTF-8 without control characters")
            : text;
    }

    private static IReadOnlySet<RoomAddress> Failed(IQueryCollection query)
    {
        var text = Single(query, "failed");
        if (text.Length == 0)
            return NoneFailed;
        if (text.Length > MaxFailed * (ProtocolLimits.MaxAddressBytes + 1))
            throw Invalid("failed", "failed is too long.", $"at most {MaxFailed} addresses");
        var parts = text.Split(',');
        if (parts.Length > MaxFailed)
            throw Invalid("failed", $"failed has {parts.Length} addresses.", $"at most {MaxFailed} addresses");
        var failed = new HashSet<RoomAddress>(parts.Length);
        for (var i = 0; i < parts.Length; i++)
            failed.Add(Address(parts[i], $"failed[{i}]"));
        return failed;
    }

    private static RoomAddress Address(string text, string field)
    {
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || text.Length > ProtocolLimits.MaxAddressBytes
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65_535)
            throw Invalid(field, "An address is not valid.", "host:port, [IPv6]:port");
        var host = text[..colon];
        if (host[0] == '[' && host[^1] == ']')
            host = host[1..^1];
        else if (host.Contains(':', StringComparison.Ordinal))
            throw Invalid(field, "An IPv6 address needs brackets.", "host:port, [IPv6]:port");
        return host.Length > 0 ? new RoomAddress(host, port) : throw Invalid(field, "An address has no host.", "host:port, [IPv6]:port");
    }

    private static string Single(IQueryCollection query, string name)
    {
        var values = query[name];
        return values.Count <= 1 ? values.ToString() : throw Invalid(name, $"{name} is given twice.", "at most once");
    }

    private static ProblemException Invalid(string field, string detail, string limit) =>
        new(new Problem(400, "invalid-field", "Invalid field", detail) { Field = field, Limit = limit });
}
