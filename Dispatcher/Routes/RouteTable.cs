using PushSystem.Contracts;

namespace PushSystem.Dispatcher.Routes;

/// <summary>
/// The rooms that may get clients, with what the policy needs precomputed: those of the active group that have addresses and are
/// not draining; full ones only if all are nearly full. Immutable; any thread.
/// </summary>
internal sealed class RouteTable
{
    private RouteTable(IReadOnlyList<Route> routes) => Routes = routes;

    /// <summary>The rooms, in the order of their ids.</summary>
    public IReadOnlyList<Route> Routes { get; }

    /// <summary>Makes the view of some rooms.</summary>
    public static RouteTable From(IReadOnlyList<RoomInfo> rooms, DispatcherOptions options)
    {
        var active = rooms
            .Where(room => room.Group == options.ActiveGroup && !room.Draining && room.Addresses.Count > 0)
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
        return new RouteTable([.. usable.Select(room => ToRoute(room, weights == 0 ? 0 : connections * Weight(room) / weights, options))]);
    }

    private static Route ToRoute(RoomInfo room, double fairConnections, DispatcherOptions options)
    {
        // Steps, not a curve: a weight that moved with every connection would move users between rooms all the time.
        double weight = Weight(room);
        if (room.Connections > options.HotFrom && room.Connections > fairConnections * options.HotFactor)
            weight *= room.Connections > fairConnections * options.HotFactor * 2 ? 0.25 : 0.5;
        var addresses = room.Addresses.Select(address => new RouteAddress(address, StableHash.Of($"{address.Host}:{address.Port}"))).ToArray();
        return new Route(room, StableHash.Of(room.Id), weight, addresses);
    }

    private static int Weight(RoomInfo room) => Math.Max(1, room.Weight);

    private static bool IsAbove(RoomInfo room, double share) => room.Capacity > 0 && room.Connections >= room.Capacity * share;
}

/// <summary>A room with the hash of its id and its weight as its load leaves it.</summary>
internal sealed record Route(RoomInfo Room, ulong Hash, double Weight, IReadOnlyList<RouteAddress> Addresses);

/// <summary>An address with the hash of "host:port".</summary>
internal readonly record struct RouteAddress(RoomAddress Address, ulong Hash);
