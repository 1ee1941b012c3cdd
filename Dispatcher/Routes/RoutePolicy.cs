using PushSystem.Contracts;

namespace PushSystem.Dispatcher.Routes;

/// <summary>Who asks: a stable key of the user, where the client says it is, and the addresses that did not work for it.</summary>
internal readonly record struct RouteQuery(ulong Key, string Region, string Isp, IReadOnlySet<RoomAddress> Failed);

/// <summary>
/// Chooses addresses. Pure.
/// <para>Rooms come in order of how near they are (region, then provider; "" fits all) and, among equals, of weighted rendezvous
/// hashing: each room draws a number from the user's and its own hash, raised by its weight, and the highest wins. So a user keeps
/// the room while it is there, a new room takes only its share, and a room that goes spreads its users over all others. A room with a
/// failed address comes behind those without.</para>
/// <para>The list is a spread: each further address is, as far as possible, of another room, another host and another port, so that one
/// dead machine or one blocked port does not spoil all of it; and if everything is in one data centre, the last place goes to another
/// one. If all addresses failed, the client's own network is the likelier cause: it gets them all again.</para>
/// </summary>
internal static class RoutePolicy
{
    private static readonly HashSet<RoomAddress> NoneFailed = [];

    /// <summary>At most <paramref name="maxAddresses"/> addresses, best first; none when the table has no room.</summary>
    public static IReadOnlyList<RoomAddress> Choose(RouteTable table, RouteQuery query, int maxAddresses)
    {
        var candidates = Candidates(table, query, query.Failed);
        if (candidates.Count == 0 && query.Failed.Count > 0)
            candidates = Candidates(table, query, NoneFailed);
        var chosen = new List<Candidate>(maxAddresses);
        while (chosen.Count < maxAddresses && candidates.Count > 0)
        {
            var best = BestOf(candidates, chosen);
            chosen.Add(candidates[best]);
            candidates.RemoveAt(best);
        }
        KeepAnotherDataCentre(candidates, chosen, maxAddresses);
        return [.. chosen.Select(candidate => candidate.Address)];
    }

    private static List<Candidate> Candidates(RouteTable table, RouteQuery query, IReadOnlySet<RoomAddress> failed)
    {
        var rooms = new List<(Route Route, int Rank, double Draw)>(table.Routes.Count);
        foreach (var route in table.Routes)
        {
            var hasFailed = failed.Count > 0 && route.Addresses.Any(address => failed.Contains(address.Address));
            rooms.Add((route, Rank(route.Room, query) + (hasFailed ? 4 : 0), Draw(query.Key, route)));
        }
        rooms.Sort((a, b) => a.Rank != b.Rank ? a.Rank.CompareTo(b.Rank) : b.Draw.CompareTo(a.Draw));
        var candidates = new List<Candidate>();
        for (var order = 0; order < rooms.Count; order++)
        {
            var route = rooms[order].Route;
            foreach (var address in route.Addresses.OrderBy(address => StableHash.Pair(query.Key, address.Hash)))
            {
                if (!failed.Contains(address.Address))
                    candidates.Add(new Candidate(address.Address, route.Room, order));
            }
        }
        return candidates;
    }

    private static int Rank(RoomInfo room, RouteQuery query) =>
        (Fits(room.Region, query.Region) ? 0 : 2) + (Fits(room.Isp, query.Isp) ? 0 : 1);

    private static bool Fits(string of, string wanted) =>
        wanted.Length == 0 || of.Length == 0 || of.Equals(wanted, StringComparison.OrdinalIgnoreCase);

    // -weight / ln(u): the highest of these falls on a room with a probability in proportion to its weight.
    private static double Draw(ulong key, Route route) => -route.Weight / Math.Log(StableHash.Unit(StableHash.Pair(key, route.Hash)));

    // Another room, then another host, then the better room, then another port.
    private static int BestOf(List<Candidate> candidates, List<Candidate> chosen)
    {
        var best = 0;
        var bestCost = Cost(candidates[0], chosen);
        for (var i = 1; i < candidates.Count; i++)
        {
            var cost = Cost(candidates[i], chosen);
            if (cost.CompareTo(bestCost) < 0)
                (best, bestCost) = (i, cost);
        }
        return best;
    }

    private static (int Rooms, int Hosts, int Order, int Ports) Cost(Candidate candidate, List<Candidate> chosen)
    {
        int rooms = 0, hosts = 0, ports = 0;
        foreach (var taken in chosen)
        {
            rooms += taken.Order == candidate.Order ? 1 : 0;
            hosts += taken.Address.Host == candidate.Address.Host ? 1 : 0;
            ports += taken.Address.Port == candidate.Address.Port ? 1 : 0;
        }
        return (rooms, hosts, candidate.Order, ports);
    }

    private static void KeepAnotherDataCentre(List<Candidate> candidates, List<Candidate> chosen, int maxAddresses)
    {
        if (chosen.Count < maxAddresses || maxAddresses < 2 || chosen.Any(candidate => candidate.Room.DataCentre != chosen[0].Room.DataCentre))
            return;
        var other = candidates.FindIndex(candidate => candidate.Room.DataCentre != chosen[0].Room.DataCentre);
        if (other >= 0)
            chosen[^1] = candidates[other];
    }

    private sealed record Candidate(RoomAddress Address, RoomInfo Room, int Order);
}
