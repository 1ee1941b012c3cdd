using PushSystem.Contracts;

namespace PushSystem.Dispatcher.Routes;

/// <summary>Who asks: a stable key of the user, where it is ("" = not known), and the addresses that did not work for it (null = none).</summary>
internal readonly ref struct RouteQuery(ulong key, ReadOnlySpan<char> region, ReadOnlySpan<char> isp, IReadOnlySet<RoomAddress>? failed)
{
    public ulong Key { get; } = key;
    public ReadOnlySpan<char> Region { get; } = region;
    public ReadOnlySpan<char> Isp { get; } = isp;
    public IReadOnlySet<RoomAddress>? Failed { get; } = failed;
}

/// <summary>
/// Chooses addresses. Pure, and without allocations unless addresses failed.
/// <para>Rooms come in order of how near they are (region, then provider; "" fits all) and, among equals, of weighted rendezvous
/// hashing: each room draws a number from the user's and its own hash, raised by its weight, and the highest wins. So a user keeps
/// the room while it is there, a new room takes only its share, and a room that goes spreads its users over all others.</para>
/// <para>A room with a failed address comes behind those without. When two rooms of a data centre failed (or its only one), the whole
/// data centre counts as failed for this client: its rooms come last, and the others come in the configured order of data centres.</para>
/// <para>The list is a spread: each further address is, as far as possible, of another room, another host and another port, so that one
/// dead machine or one blocked port does not spoil all of it; and if everything is in one data centre, the last place goes to another
/// one. If all addresses failed, the client's own network is the likelier cause: it gets them all again.</para>
/// </summary>
internal static class RoutePolicy
{
    // More rooms than an answer has places for: what comes behind so many is never needed for the spread.
    private const int MaxCandidates = 32;
    private const int MaxPlaces = 64;
    private const int DataCentreFailed = 1 << 24, FallbackStep = 1 << 8, RoomFailed = 4, OtherRegion = 2, OtherIsp = 1;

    /// <summary>
    /// Fills <paramref name="chosen"/> with indexes into the table's addresses, best first. Returns how many; 0 when the table has no room.
    /// </summary>
    public static int Choose(RouteTable table, RouteQuery query, Span<int> chosen)
    {
        if (table.Routes.IsEmpty)
            return 0;
        var failures = query.Failed is { Count: > 0 } failed ? Failures.Of(table, failed) : null;
        if (failures is { IsEverything: true })
            failures = null;
        Span<Candidate> candidates = stackalloc Candidate[MaxCandidates];
        candidates = candidates[..BestRooms(table, query, failures, candidates)];
        Span<int> owners = stackalloc int[chosen.Length];
        var count = 0;
        while (count < chosen.Length && TryPick(table, query.Key, failures, candidates, chosen[..count], owners[..count], out chosen[count], out owners[count]))
            count++;
        if (count == chosen.Length && count > 1 && table.DataCentreCount > 1)
            KeepAnotherDataCentre(table, query, failures, chosen, owners);
        return count;
    }

    // The best rooms in order: lowest rank, then highest draw.
    private static int BestRooms(RouteTable table, RouteQuery query, Failures? failures, Span<Candidate> best)
    {
        Span<byte> ranks = table.Places.Length <= MaxPlaces ? stackalloc byte[MaxPlaces] : new byte[table.Places.Length];
        for (var i = 0; i < table.Places.Length; i++)
            ranks[i] = Rank(table.Places[i], query);
        var count = 0;
        for (var i = 0; i < table.Routes.Length; i++)
        {
            var route = table.Routes[i];
            var candidate = new Candidate(i, ranks[route.Place] + (failures?.RankOf(i, route) ?? 0), Draw(query.Key, route));
            if (count == best.Length && !candidate.IsBetterThan(best[count - 1]))
                continue;
            var at = count < best.Length ? count++ : count - 1;
            for (; at > 0 && candidate.IsBetterThan(best[at - 1]); at--)
                best[at] = best[at - 1];
            best[at] = candidate;
        }
        return count;
    }

    private static byte Rank(Place place, RouteQuery query) =>
        (byte)((Fits(place.Region, query.Region) ? 0 : OtherRegion) + (Fits(place.Isp, query.Isp) ? 0 : OtherIsp));

    private static bool Fits(string of, ReadOnlySpan<char> wanted) =>
        wanted.IsEmpty || of.Length == 0 || wanted.Equals(of, StringComparison.OrdinalIgnoreCase);

    // -weight / ln(u): the highest of these falls on a room with a probability in proportion to its weight.
    private static double Draw(ulong key, Route route) => -route.Weight / Math.Log(StableHash.Unit(StableHash.Pair(key, route.Hash)));

    // Another room, then another host, then the better room, then another port, then what the user's hash prefers.
    private static bool TryPick(
        RouteTable table, ulong key, Failures? failures, ReadOnlySpan<Candidate> candidates, ReadOnlySpan<int> chosen, ReadOnlySpan<int> owners,
        out int picked, out int owner)
    {
        (picked, owner) = (-1, -1);
        (int Rooms, int Hosts, int Ports, ulong Hash) best = default;
        for (var order = 0; order < candidates.Length; order++)
        {
            var route = table.Routes[candidates[order].Route];
            var rooms = owners.Count(candidates[order].Route);
            if (picked >= 0 && rooms > best.Rooms)
                continue;
            for (var i = 0; i < route.Addresses.Count; i++)
            {
                var index = route.FirstAddress + i;
                if (chosen.Contains(index) || failures?.IsFailed(index) == true)
                    continue;
                var address = table.Addresses[index];
                var (hosts, ports) = Shared(table, address, chosen);
                var hash = route.Addresses.Count == 1 ? 0 : StableHash.Pair(key, address.Hash);
                if (picked >= 0 && !IsBetter((rooms, hosts, ports, hash), owner == candidates[order].Route, best))
                    continue;
                (picked, owner, best) = (index, candidates[order].Route, (rooms, hosts, ports, hash));
            }
            // Rooms behind this one cannot do better.
            if (picked >= 0 && best is { Rooms: 0, Hosts: 0 })
                return true;
        }
        return picked >= 0;
    }

    // Ports and hash decide only within a room: the better room comes first, and candidates are looked at in that order.
    private static bool IsBetter((int Rooms, int Hosts, int Ports, ulong Hash) a, bool isSameRoom, (int Rooms, int Hosts, int Ports, ulong Hash) b)
    {
        if (a.Rooms != b.Rooms)
            return a.Rooms < b.Rooms;
        if (a.Hosts != b.Hosts)
            return a.Hosts < b.Hosts;
        return isSameRoom && (a.Ports != b.Ports ? a.Ports < b.Ports : a.Hash < b.Hash);
    }

    private static (int Hosts, int Ports) Shared(RouteTable table, RouteAddress address, ReadOnlySpan<int> chosen)
    {
        int hosts = 0, ports = 0;
        foreach (var index in chosen)
        {
            var taken = table.Addresses[index];
            hosts += taken.Host == address.Host ? 1 : 0;
            ports += taken.Address.Port == address.Address.Port ? 1 : 0;
        }
        return (hosts, ports);
    }

    private static void KeepAnotherDataCentre(RouteTable table, RouteQuery query, Failures? failures, Span<int> chosen, Span<int> owners)
    {
        var home = table.Routes[owners[0]].DataCentre;
        foreach (var owner in owners)
        {
            if (table.Routes[owner].DataCentre != home)
                return;
        }
        (Candidate Candidate, int Fallback) best = (default, int.MaxValue);
        for (var i = 0; i < table.Routes.Length; i++)
        {
            var route = table.Routes[i];
            if (route.DataCentre == home || !HasAddress(route, failures))
                continue;
            var candidate = new Candidate(i, Rank(table.Places[route.Place], query) + (failures?.RankOf(i, route) ?? 0), Draw(query.Key, route));
            if (route.FallbackOrder < best.Fallback || (route.FallbackOrder == best.Fallback && candidate.IsBetterThan(best.Candidate)))
                best = (candidate, route.FallbackOrder);
        }
        if (best.Fallback == int.MaxValue)
            return;
        ReadOnlySpan<Candidate> only = [best.Candidate];
        var before = chosen.Length - 1;
        if (TryPick(table, query.Key, failures, only, chosen[..before], owners[..before], out var other, out var otherOwner))
            (chosen[before], owners[before]) = (other, otherOwner);
    }

    private static bool HasAddress(Route route, Failures? failures)
    {
        for (var i = 0; i < route.Addresses.Count; i++)
        {
            if (failures?.IsFailed(route.FirstAddress + i) != true)
                return true;
        }
        return false;
    }

    /// <summary>A room in the order of preference.</summary>
    private readonly record struct Candidate(int Route, int Rank, double Draw)
    {
        public bool IsBetterThan(Candidate other) => Rank != other.Rank ? Rank < other.Rank : Draw > other.Draw;
    }

    /// <summary>What of the table did not work for a client. Lives as long as its request.</summary>
    private sealed class Failures
    {
        private readonly bool[] _addresses;
        private readonly bool[] _rooms;
        private readonly bool[] _dataCentres;
        private readonly bool _hasFailedDataCentre;

        private Failures(RouteTable table, IReadOnlySet<RoomAddress> failed)
        {
            _addresses = [.. table.Addresses.Select(address => failed.Contains(address.Address))];
            _rooms = new bool[table.Routes.Length];
            _dataCentres = new bool[table.DataCentreCount];
            var (rooms, failedRooms) = (new int[table.DataCentreCount], new int[table.DataCentreCount]);
            for (var i = 0; i < table.Routes.Length; i++)
            {
                var route = table.Routes[i];
                for (var j = 0; j < route.Addresses.Count; j++)
                    _rooms[i] |= _addresses[route.FirstAddress + j];
                rooms[route.DataCentre]++;
                failedRooms[route.DataCentre] += _rooms[i] ? 1 : 0;
            }
            foreach (var route in table.Routes)
            {
                var at = route.DataCentre;
                // Rooms that name no data centre may stand anywhere.
                _dataCentres[at] = route.Room.DataCentre.Length > 0 && failedRooms[at] > 0 && (failedRooms[at] >= 2 || failedRooms[at] == rooms[at]);
            }
            _hasFailedDataCentre = _dataCentres.Contains(true);
        }

        public static Failures Of(RouteTable table, IReadOnlySet<RoomAddress> failed) => new(table, failed);

        public bool IsEverything => !_addresses.Contains(false);

        public bool IsFailed(int address) => _addresses[address];

        public int RankOf(int index, Route route)
        {
            var rank = _rooms[index] ? RoomFailed : 0;
            if (!_hasFailedDataCentre)
                return rank;
            return rank + (_dataCentres[route.DataCentre] ? DataCentreFailed : route.FallbackOrder * FallbackStep);
        }
    }
}
