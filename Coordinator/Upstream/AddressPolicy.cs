using System.Net;
using System.Net.Sockets;

namespace PushSystem.Coordinator.Upstream;

/// <summary>
/// Which addresses are public, after IANA's special-purpose registries. Compares parsed addresses, never text, because one
/// address has many spellings (127.1, 0x7f000001, ::ffff:127.0.0.1). Static; any thread.
/// </summary>
internal static class AddressPolicy
{
    private static readonly IPNetwork[] NotPublic4 =
    [
        IPNetwork.Parse("0.0.0.0/8"), IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("100.64.0.0/10"), IPNetwork.Parse("127.0.0.0/8"),
        IPNetwork.Parse("169.254.0.0/16"), IPNetwork.Parse("172.16.0.0/12"), IPNetwork.Parse("192.0.0.0/24"), IPNetwork.Parse("192.0.2.0/24"),
        IPNetwork.Parse("192.88.99.0/24"), IPNetwork.Parse("192.168.0.0/16"), IPNetwork.Parse("198.18.0.0/15"), IPNetwork.Parse("198.51.100.0/24"),
        IPNetwork.Parse("203.0.113.0/24"), IPNetwork.Parse("224.0.0.0/4"), IPNetwork.Parse("240.0.0.0/4"),
    ];

    private static readonly IPNetwork Global6 = IPNetwork.Parse("2000::/3");

    // Inside 2000::/3 but not public, or carrying an IPv4 address that a relay would reach for us (Teredo, 6to4).
    private static readonly IPNetwork[] NotPublic6 =
        [IPNetwork.Parse("2001::/23"), IPNetwork.Parse("2001:db8::/32"), IPNetwork.Parse("2002::/16"), IPNetwork.Parse("3fff::/20")];

    /// <summary>True when packets to the address leave for the public internet.</summary>
    public static bool IsPublic(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        if (address.AddressFamily == AddressFamily.InterNetwork)
            return !Array.Exists(NotPublic4, network => network.Contains(address));
        return address.AddressFamily == AddressFamily.InterNetworkV6
            && Global6.Contains(address) && !Array.Exists(NotPublic6, network => network.Contains(address));
    }
}
