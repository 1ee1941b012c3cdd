using System.Text;
using System.Text.Json;
using PushSystem.Contracts;

namespace PushSystem.Dispatcher.Routes;

/// <summary>
/// The rooms that may get clients, with what the policy and the answer need precomputed: those of the active group that have
/// addresses and are not draining; full ones only if all are nearly full. Immutable; any thread.
/// </summary>
internal sealed class RouteTable
{
    private readonly Route[] _routes;

    private RouteTable(Route[] routes)
    {
        _routes = routes;
        Addresses = [.. routes.SelectMany(route => route.Addresses)];
        var places = routes.Select(route => (Region: Fold(route.Room.Region), Isp: Fold(route.Room.Isp))).Distinct().ToList();
        Places = [.. places.Select(place => new Place(place.Region, place.Isp))];
        var dataCentres = routes.Select(route => route.Room.DataCentre).Distinct().ToList();
        DataCentreCount = dataCentres.Count;
        var hosts = Addresses.Select(address => address.Address.Host).Distinct().Select((host, i) => (host, i)).ToDictionary(pair => pair.host, pair => pair.i);
        var first = 0;
        foreach (var route in routes)
        {
            foreach (var address in route.Addresses)
                (address.Host, address.Route) = (hosts[address.Address.Host], Array.IndexOf(routes, route));
            route.Place = places.IndexOf((Fold(route.Room.Region), Fold(route.Room.Isp)));
            route.DataCentre = dataCentres.IndexOf(route.Room.DataCentre);
            route.FirstAddress = first;
            first += route.Addresses.Count;
        }
    }

    /// <summary>The rooms, in the order of their ids.</summary>
    public ReadOnlySpan<Route> Routes => _routes;

    /// <summary>The addresses of all rooms, in the order of the rooms.</summary>
    public RouteAddress[] Addresses { get; }

    /// <summary>The different pairs of region and provider.</summary>
    public Place[] Places { get; }

    /// <summary>Different data centres.</summary>
    public int DataCentreCount { get; }

    /// <summary>The room of an address.</summary>
    public Route OwnerOf(int address) => _routes[Addresses[address].Route];

    /// <summary>Makes the view of some rooms.</summary>
    public static RouteTable From(IReadOnlyList<RoomInfo> rooms, DispatcherSnapshot settings)
    {
        var options = settings.Options;
        var active = rooms
            .Where(room => settings.TakesGroup(room.Group) && !room.Draining && room.Addresses.Count > 0)
            .OrderBy(room => room.Id, StringComparer.Ordinal).ToArray();
        var usable = active.Where(room => !IsAbove(room, options.FullShare)).ToArray();
        if (usable.Length == 0)
            usable = [.. active.Where(room => !IsAbove(room, 1))];
        double connections = 0, weights = 0;
        foreach (var room in usable)
        {
            connections += room.Connections;
            weights += Weight(room);
        }
        return new RouteTable([.. usable.Select(room => ToRoute(room, weights == 0 ? 0 : connections * Weight(room) / weights, settings))]);
    }

    private static Route ToRoute(RoomInfo room, double fairConnections, DispatcherSnapshot settings)
    {
        var options = settings.Options;
        // Steps, not a curve: a weight that moved with every connection would move users between rooms all the time.
        double weight = Weight(room);
        if (room.Connections > options.HotFrom && room.Connections > fairConnections * options.HotFactor)
            weight *= room.Connections > fairConnections * options.HotFactor * 2 ? 0.25 : 0.5;
        return new Route(room, StableHash.Of(room.Id), weight, settings.FallbackOrder(room.DataCentre), [.. room.Addresses.Select(address => new RouteAddress(address))]);
    }

    private static int Weight(RoomInfo room) => Math.Max(1, room.Weight);

    private static bool IsAbove(RoomInfo room, double share) => room.Capacity > 0 && room.Connections >= room.Capacity * share;

    private static string Fold(string name) => name.ToUpperInvariant();
}

/// <summary>A region and a provider, in upper case; "" = any.</summary>
internal readonly record struct Place(string Region, string Isp);

/// <summary>A room with the hash of its id, its weight as its load leaves it, and its places in the table. Not changed once the table is made.</summary>
internal sealed record Route(RoomInfo Room, ulong Hash, double Weight, int FallbackOrder, IReadOnlyList<RouteAddress> Addresses)
{
    /// <summary>Index into the table's places.</summary>
    public int Place { get; set; }
    /// <summary>Number of its data centre.</summary>
    public int DataCentre { get; set; }
    /// <summary>Index of its first address in the table.</summary>
    public int FirstAddress { get; set; }
    /// <summary>It is of group B.</summary>
    public bool IsGroupB { get; } = Room.Group == "B";
}

/// <summary>An address with the hash of "host:port" and its JSON. Not changed once the table is made.</summary>
internal sealed class RouteAddress(RoomAddress address)
{
    public RoomAddress Address { get; } = address;
    public ulong Hash { get; } = StableHash.Of($"{address.Host}:{address.Port}");
    /// <summary>{"host":…,"port":…}.</summary>
    public byte[] Json { get; } = Encoding.UTF8.GetBytes($$"""{"host":"{{JsonEncodedText.Encode(address.Host)}}","port":{{address.Port}}}""");
    /// <summary>Number of its host.</summary>
    public int Host { get; set; }
    /// <summary>Index of its room in the table.</summary>
    public int Route { get; set; }
}
