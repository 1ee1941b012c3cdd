using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using PushSystem.Protocol;

namespace PushSystem.Client.Routing;

/// <summary>One room address; host is a name or an IP address without brackets. Immutable.</summary>
internal sealed record RoomEndpoint(string Host, int Port)
{
    /// <summary>"host:port", an IPv6 host in brackets.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal)
        ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
        : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");

    /// <summary>Reads "host:port" or "[v6]:port".</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out RoomEndpoint? endpoint)
    {
        endpoint = null;
        if (string.IsNullOrEmpty(text) || Encoding.UTF8.GetByteCount(text) > ProtocolLimits.MaxAddressBytes)
            return false;
        var colon = text.LastIndexOf(':');
        if (colon <= 0 || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            return false;
        var host = text[..colon];
        if (host.StartsWith('[') && host.EndsWith(']'))
            host = host[1..^1];
        else if (host.Contains(':', StringComparison.Ordinal))
            return false;
        return TryCreate(host, port, out endpoint);
    }

    /// <summary>Checks a host and a port.</summary>
    public static bool TryCreate(string? host, int port, [NotNullWhen(true)] out RoomEndpoint? endpoint)
    {
        endpoint = null;
        if (port is < 1 or > 65535 || host is null || Uri.CheckHostName(host) == UriHostNameType.Unknown)
            return false;
        endpoint = new RoomEndpoint(host, port);
        return true;
    }
}
