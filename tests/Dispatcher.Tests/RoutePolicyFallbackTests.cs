using PushSystem.Contracts;
using PushSystem.Dispatcher.Routes;
using Xunit;
using static PushSystem.Dispatcher.Tests.TestRooms;

namespace PushSystem.Dispatcher.Tests;

/// <summary>Data centres that failed, groups, and the bounds of the search.</summary>
public sealed class RoutePolicyFallbackTests
{
    [Fact]
    public void The_fallback_order_decides_when_a_data_centre_failed()
    {
        var options = new DispatcherOptions { FallbackDataCentres = ["three", "two"] };
        RoomInfo[] rooms =
        [
            .. Rooms(6).Select(room => room with { DataCentre = "one", Region = "eu" }),
            Room("two-a") with { DataCentre = "two", Region = "eu" }, Room("two-b") with { DataCentre = "two", Region = "eu" },
            Room("three-a") with { DataCentre = "three", Region = "us" }, Room("four-a") with { DataCentre = "four", Region = "eu" },
        ];
        var table = Table(options, rooms);
        foreach (var user in Users(50))
        {
            var usual = Choose(table, Query(user, "eu"), 10);
            Assert.Equal("three-a.example:7402", usual[9]);
            var home = usual.Where(address => address.StartsWith("room-", StringComparison.Ordinal)).ToArray();
            // One room may be broken alone: what is near still comes first.
            var one = Choose(table, Query(user, "eu", "", home[0]), 10);
            Assert.DoesNotContain("three-a.example:7402", one[..8]);
            // Two say that the data centre cannot be reached from there: the others come in the order that was configured.
            var two = Choose(table, Query(user, "eu", "", home[0], home[1]), 10);
            Assert.Equal("three-a.example:7402", two[0]);
            Assert.All(two[1..3], address => Assert.StartsWith("two-", address, StringComparison.Ordinal));
            Assert.Equal("four-a.example:7402", two[3]);
            Assert.Equal(4, two[4..].Length);
            Assert.All(two[4..], address => Assert.StartsWith("room-", address, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void The_only_room_of_a_data_centre_stands_for_it_and_an_unnamed_data_centre_never_fails()
    {
        var options = new DispatcherOptions { FallbackDataCentres = ["three", "two"] };
        RoomInfo[] rooms =
        [
            Room("one-a") with { DataCentre = "one", Region = "eu" }, Room("two-a") with { DataCentre = "two", Region = "eu" },
            Room("three-a") with { DataCentre = "three", Region = "us" },
        ];
        Assert.Equal("three-a.example:7402", Choose(Table(options, rooms), Query("u", "eu", "", "one-a.example:7402"))[0]);
        RoomInfo[] unnamed =
            [Room("a") with { Region = "eu" }, Room("b") with { Region = "eu" }, Room("c") with { Region = "eu" }, Room("d") with { Region = "us", DataCentre = "three" }];
        Assert.Equal("c.example:7402", Choose(Table(options, unnamed), Query("u", "eu", "", "a.example:7402", "b.example:7402"))[0]);
    }

    [Fact]
    public void The_last_place_goes_to_the_first_data_centre_of_the_fallback_order()
    {
        var options = new DispatcherOptions { FallbackDataCentres = ["three"] };
        RoomInfo[] rooms =
        [
            .. Rooms(8).Select(room => room with { DataCentre = "one", Region = "eu" }),
            Room("two-a") with { DataCentre = "two", Region = "eu", Isp = "x" }, Room("three-a") with { DataCentre = "three", Region = "us" },
        ];
        foreach (var user in Users(50))
            Assert.Equal("three-a.example:7402", Choose(Table(options, rooms), Query(user, "eu", "y"))[^1]);
    }

    [Fact]
    public void Both_groups_get_clients_when_both_are_active()
    {
        var table = Table(new DispatcherOptions { ActiveGroup = "both" }, Room("a"), Room("b") with { Group = "B" }, Room("c") with { Group = "C" });
        Assert.Equal(["a", "b"], table.Routes.ToArray().Select(route => route.Room.Id));
        Assert.Equal("b", Table(new DispatcherOptions { ActiveGroup = "B" }, Room("a"), Room("b") with { Group = "B" }).Routes[0].Room.Id);
    }

    [Fact]
    public void Of_many_rooms_the_same_ones_are_best_as_if_all_were_sorted()
    {
        var table = Table([.. Enumerable.Range(0, 300).Select(i => Room($"r{i}") with { Weight = 50 + i })]);
        foreach (var user in Users(100))
        {
            var key = StableHash.Of(user);
            var sorted = table.Routes.ToArray()
                .OrderByDescending(route => -route.Weight / Math.Log(StableHash.Unit(StableHash.Pair(key, route.Hash))))
                .Select(route => $"{route.Room.Id}.example:7402").Take(16);
            Assert.Equal(sorted, Choose(table, Query(user), 16));
        }
    }

    [Fact]
    public void More_places_than_fit_on_the_stack_are_no_special_case()
    {
        var table = Table([.. Enumerable.Range(0, 100).Select(i => Room($"r{i}") with { Region = $"region-{i}" })]);
        Assert.Equal("r77.example:7402", Choose(table, Query("u", "REGION-77"))[0]);
    }

    [Fact]
    public void Choosing_allocates_nothing()
    {
        var table = Table([.. Rooms(40).Select(room => room with { Region = "eu", DataCentre = "one" }), Room("else") with { DataCentre = "two", Region = "us" }]);
        Span<int> chosen = stackalloc int[5];
        RoutePolicy.Choose(table, Query("warm", "EU"), chosen);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
            RoutePolicy.Choose(table, new RouteQuery((ulong)i, "eu", "", null), chosen);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
