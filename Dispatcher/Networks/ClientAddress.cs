using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace PushSystem.Dispatcher.Networks;

/// <summary>
/// Whose address counts. X-Forwarded-For is believed only from proxies of our own, and only as far back as it was written by them:
/// everything before that, a client can write itself. Pure.
/// </summary>
internal static class ClientAddress
{
    private const int MaxHops = 16;

    /// <summary>The client's address, or null when the connection has none.</summary>
    public static IPAddress? Of(HttpContext http, NetworkTable trustedProxies)
    {
        var address = http.Connection.RemoteIpAddress;
        return address is null || trustedProxies.IsEmpty || trustedProxies.Find(address) == NetworkTable.None
            ? address
            : Behind(address, http.Request.Headers["X-Forwarded-For"], trustedProxies);
    }

    private static IPAddress Behind(IPAddress proxy, StringValues forwarded, NetworkTable trustedProxies)
    {
        var address = proxy;
        var hops = 0;
        for (var i = forwarded.Count - 1; i >= 0; i--)
        {
            var rest = forwarded[i].AsSpan();
            while (!rest.IsEmpty)
            {
                var comma = rest.LastIndexOf(',');
                var hop = rest[(comma + 1)..].Trim();
                rest = comma < 0 ? [] : rest[..comma];
                // With a port or without. What cannot be read was not written by a proxy of ours: the last one that was known counts.
                if (++hops > MaxHops || !IPEndPoint.TryParse(hop, out var parsed))
                    return address;
                address = parsed.Address;
                if (trustedProxies.Find(address) == NetworkTable.None)
                    return address;
            }
        }
        return address;
    }
}
