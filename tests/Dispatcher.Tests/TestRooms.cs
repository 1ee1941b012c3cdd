using PushSystem.Contracts;
using PushSystem.Dispatcher.Routes;

namespace PushSystem.Dispatcher.Tests;

/// <summary>Rooms for tests of the policy, and questions with fixed keys, so that statistics come out the same each time.</summary>
internal static class TestRooms
{
    public static readonly DispatcherOptions Options = new();

    public static RoomInfo Room(string id, params string[] addresses) => new()
    {
        Id = id,
        Incarnation = 1,
        Addresses = [.. (addresses.Length > 0 ? addresses : [$"{id}.example:7402"]).Select(Address)],
        Capacity = 1_000_000,
    };

    public static RoomInfo[] Rooms(int count) => [.. Enumerable.Range(1, count).Select(i => Room($"room-{i}"))];

    public static RouteTable Table(params RoomInfo[] rooms) => Table(Options, rooms);

    public static RouteTable Table(DispatcherOptions options, params RoomInfo[] rooms) => RouteTable.From(rooms, new DispatcherSnapshot(options));

    public static RouteQuery Query(string user, string region = "", string isp = "", params string[] failed) =>
        new(StableHash.Of(user), region, isp, failed.Length == 0 ? null : failed.Select(Address).ToHashSet());

    public static RoomAddress Address(string text)
    {
        var colon = text.LastIndexOf(':');
        return new RoomAddress(text[..colon], int.Parse(text[(colon + 1)..], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>"host:port" of the addresses chosen.</summary>
    public static string[] Choose(RouteTable table, RouteQuery query, int max = 5)
    {
        var chosen = new int[max];
        return [.. chosen[..RoutePolicy.Choose(table, query, chosen)].Select(index => $"{table.Addresses[index].Address.Host}:{table.Addresses[index].Address.Port}")];
    }

    /// <summary>The host that a user is sent to first.</summary>
    public static string First(RouteTable table, string user)
    {
        Span<int> chosen = stackalloc int[1];
        RoutePolicy.Choose(table, Query(user), chosen);
        return table.Addresses[chosen[0]].Address.Host;
    }

    public static IEnumerable<string> Users(int count) => Enumerable.Range(0, count).Select(i => $"shop\nuser-{i}");
}
