using System.Net;
using PushSystem.Cluster.Configuration;

namespace PushSystem.Dispatcher.Networks;

/// <summary>Region and provider of an address, "" = not known. Immutable.</summary>
internal sealed record Location(string Region, string Isp)
{
    /// <summary>Nothing is known.</summary>
    public static readonly Location Unknown = new("", "");
}

/// <summary>Where addresses are, by the longest prefix. Immutable; any thread.</summary>
internal sealed class LocationTable
{
    private readonly NetworkTable _networks;
    private readonly Location[] _locations;

    public LocationTable(IReadOnlyList<NetworkLocation> networks)
    {
        _networks = new NetworkTable([.. networks.Select(network => network.Cidr)]);
        // Many networks share few locations.
        var known = new Dictionary<(string, string), Location>();
        _locations = new Location[networks.Count];
        for (var i = 0; i < networks.Count; i++)
        {
            var key = (networks[i].Region, networks[i].Isp);
            if (!known.TryGetValue(key, out var location))
                known[key] = location = new Location(networks[i].Region, networks[i].Isp);
            _locations[i] = location;
        }
    }

    /// <summary>Where the address is.</summary>
    public Location Find(IPAddress? address)
    {
        var found = address is null ? NetworkTable.None : _networks.Find(address);
        return found == NetworkTable.None ? Location.Unknown : _locations[found];
    }
}
