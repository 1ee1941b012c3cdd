using PushSystem.Contracts;
using Xunit;
using static PushSystem.Dispatcher.Tests.TestRooms;

namespace PushSystem.Dispatcher.Tests;

public sealed class RoutePolicyTests
{
    [Fact]
    public void The_same_user_gets_the_same_answer_whatever_the_rooms_order()
    {
        var rooms = Rooms(20);
        foreach (var user in Users(50))
            Assert.Equal(Choose(Table(rooms), Query(user)), Choose(Table([.. rooms.Reverse()]), Query(user)));
    }

    [Fact]
    public void A_room_that_goes_moves_only_its_own_users_and_spreads_them_over_all_others()
    {
        var before = Table(Rooms(10));
        var after = Table([.. Rooms(10).Where(room => room.Id != "room-3")]);
        var heirs = new Dictionary<string, int>();
        foreach (var user in Users(20_000))
        {
            var (old, current) = (First(before, user), First(after, user));
            if (old == "room-3.example")
                heirs[current] = heirs.GetValueOrDefault(current) + 1;
            else
                Assert.Equal(old, current);
        }
        Assert.Equal(9, heirs.Count);
        Assert.All(heirs.Values, count => Assert.InRange(count, 150, 300));
    }

    [Fact]
    public void A_new_room_takes_only_its_share()
    {
        var (before, after) = (Table(Rooms(10)), Table(Rooms(11)));
        var moved = 0;
        foreach (var user in Users(22_000))
        {
            var (old, current) = (First(before, user), First(after, user));
            if (old == current)
                continue;
            Assert.Equal("room-11.example", current);
            moved++;
        }
        Assert.InRange(moved, 1_800, 2_200);
    }

    [Fact]
    public void Rooms_get_users_in_proportion_to_their_weights()
    {
        var table = Table(Room("light") with { Weight = 50 }, Room("usual") with { Weight = 100 }, Room("heavy") with { Weight = 250 });
        var counts = Users(40_000).CountBy(user => First(table, user)).ToDictionary();
        Assert.InRange(counts["light.example"], 4_800, 5_200);
        Assert.InRange(counts["usual.example"], 9_700, 10_300);
        Assert.InRange(counts["heavy.example"], 24_600, 25_400);
    }

    [Fact]
    public void A_changed_weight_moves_users_only_from_or_to_that_room()
    {
        var before = Table(Rooms(5));
        var after = Table([.. Rooms(5).Select(room => room.Id == "room-2" ? room with { Weight = 40 } : room)]);
        foreach (var user in Users(5_000))
        {
            var (old, current) = (First(before, user), First(after, user));
            Assert.True(old == current || old == "room-2.example", $"{user} moved from {old} to {current}");
        }
    }

    [Fact]
    public void A_hot_room_gets_half_as_many_users_and_a_very_hot_one_a_quarter()
    {
        static double Share(int connections)
        {
            var table = Table(Room("hot") with { Connections = connections }, Room("b") with { Connections = 10_000 }, Room("c") with { Connections = 10_000 },
                Room("d") with { Connections = 10_000 }, Room("e") with { Connections = 10_000 });
            return Users(20_000).Count(user => First(table, user) == "hot.example") / 20_000.0;
        }

        Assert.InRange(Share(12_000), 0.19, 0.21);
        Assert.InRange(Share(16_000), 0.105, 0.117);
        Assert.InRange(Share(60_000), 0.053, 0.065);
    }

    [Fact]
    public void A_few_connections_make_no_room_hot()
    {
        var table = Table(Room("a") with { Connections = 900 }, Room("b"), Room("c"));
        Assert.All(table.Routes.ToArray(), route => Assert.Equal(100, route.Weight));
    }

    [Fact]
    public void Full_rooms_get_nobody_while_others_have_place()
    {
        var table = Table(Room("full") with { Capacity = 100, Connections = 95 }, Room("free") with { Capacity = 100, Connections = 94 });
        Assert.Equal("free", Assert.Single(table.Routes.ToArray()).Room.Id);
    }

    [Fact]
    public void Nearly_full_rooms_are_used_when_there_are_no_others_and_full_ones_never()
    {
        var table = Table(Room("full") with { Capacity = 100, Connections = 100 }, Room("nearly") with { Capacity = 100, Connections = 99 });
        Assert.Equal("nearly", Assert.Single(table.Routes.ToArray()).Room.Id);
        Assert.Empty(Choose(Table(Room("full") with { Capacity = 100, Connections = 100 }), Query("u")));
    }

    [Fact]
    public void Draining_rooms_rooms_of_the_other_group_and_rooms_without_addresses_get_nobody()
    {
        var table = Table(Room("a") with { Draining = true }, Room("b") with { Group = "B" }, Room("c") with { Addresses = [] }, Room("d"));
        Assert.Equal("d", Assert.Single(table.Routes.ToArray()).Room.Id);
    }

    [Fact]
    public void The_list_names_as_many_rooms_and_hosts_as_there_are_before_it_repeats_one()
    {
        var table = Table(
            Room("a", "192.0.2.1:7402", "192.0.2.1:443"), Room("b", "192.0.2.2:7402", "192.0.2.2:443"), Room("c", "192.0.2.2:8402", "192.0.2.2:8443"));
        foreach (var user in Users(100))
        {
            var chosen = Choose(table, Query(user));
            Assert.Equal(5, chosen.Distinct().Count());
            Assert.Equal(2, chosen[..2].Select(address => address.Split(':')[0]).Distinct().Count());
        }
    }

    [Fact]
    public void Two_rooms_of_the_list_have_different_ports_when_they_offer_them()
    {
        var table = Table(Room("a", "192.0.2.1:7402", "192.0.2.1:443"), Room("b", "192.0.2.2:7402", "192.0.2.2:443"));
        foreach (var user in Users(100))
        {
            var chosen = Choose(table, Query(user), 2);
            Assert.Equal(2, chosen.Select(address => address.Split(':')[1]).Distinct().Count());
        }
    }

    [Fact]
    public void A_room_with_several_addresses_spreads_its_users_over_them()
    {
        var table = Table(Room("a", "192.0.2.1:7402", "192.0.2.1:443", "192.0.2.9:443"));
        var counts = Users(9_000).CountBy(user => Choose(table, Query(user), 1)[0]).ToDictionary();
        Assert.All(counts.Values, count => Assert.InRange(count, 2_800, 3_200));
        Assert.Equal(3, counts.Count);
    }

    [Fact]
    public void One_room_gives_all_its_addresses()
    {
        var table = Table(Room("a", "192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"));
        Assert.Equal(["192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3"], Choose(table, Query("u")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_failed_address_is_left_out_and_its_room_comes_last()
    {
        var table = Table([.. Rooms(5).Select(room => room with { Addresses = [.. room.Addresses, new RoomAddress(room.Addresses[0].Host, 443)] })]);
        foreach (var user in Users(50))
        {
            var usual = Choose(table, Query(user));
            var chosen = Choose(table, Query(user, failed: usual[0]));
            Assert.DoesNotContain(usual[0], chosen);
            Assert.NotEqual(usual[0].Split(':')[0], chosen[0].Split(':')[0]);
            Assert.Equal(usual[1].Split(':')[0], chosen[0].Split(':')[0]);
        }
    }

    [Fact]
    public void When_everything_failed_everything_is_given_again()
    {
        var table = Table(Rooms(2));
        Assert.Equal(2, Choose(table, Query("u", failed: ["room-1.example:7402", "room-2.example:7402"])).Length);
    }

    [Fact]
    public void The_clients_region_and_provider_come_first()
    {
        var table = Table(
            Room("far") with { Region = "us", Isp = "x" }, Room("near") with { Region = "eu", Isp = "y" }, Room("nearest") with { Region = "EU", Isp = "x" },
            Room("any") with { Region = "", Isp = "y" });
        foreach (var user in Users(50))
        {
            var chosen = Choose(table, Query(user, "eu", "x"));
            Assert.Equal("nearest.example:7402", chosen[0]);
            Assert.Equal(["any.example:7402", "near.example:7402"], chosen[1..3].Order(StringComparer.Ordinal));
            Assert.Equal("far.example:7402", chosen[3]);
        }
    }

    [Fact]
    public void A_region_without_rooms_gets_the_others()
    {
        Assert.Equal(3, Choose(Table(Rooms(3)), Query("u", "mars")).Length);
        Assert.Equal(3, Choose(Table([.. Rooms(3).Select(room => room with { Region = "eu" })]), Query("u", "mars")).Length);
    }

    [Fact]
    public void The_last_place_goes_to_another_data_centre()
    {
        var rooms = Rooms(8).Select(room => room with { DataCentre = "one", Region = "eu" }).Append(Room("else") with { DataCentre = "two", Region = "us" });
        var table = Table([.. rooms]);
        foreach (var user in Users(50))
        {
            var chosen = Choose(table, Query(user, "eu"));
            Assert.Equal("else.example:7402", chosen[^1]);
            Assert.DoesNotContain("else.example:7402", chosen[..^1]);
        }
    }

    [Fact]
    public void Another_data_centre_serves_when_all_of_the_preferred_failed()
    {
        var rooms = Rooms(3).Select(room => room with { DataCentre = "one", Region = "eu" }).Append(Room("else") with { DataCentre = "two", Region = "us" });
        var chosen = Choose(Table([.. rooms]), Query("u", "eu", "", "room-1.example:7402", "room-2.example:7402", "room-3.example:7402"));
        Assert.Equal(["else.example:7402"], chosen);
    }

    [Fact]
    public void No_rooms_give_no_addresses() => Assert.Empty(Choose(Table(), Query("u")));
}
