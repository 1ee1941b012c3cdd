using System.Net;
using PushSystem.Cluster.Configuration;
using Xunit;
using static PushSystem.Dispatcher.Tests.TestRooms;

namespace PushSystem.Dispatcher.Tests;

/// <summary>The endpoint with networks, proxies and settings that change, and queries that mean no good.</summary>
public sealed class RouteEndpointSettingsTests
{
    [Fact]
    public async Task Long_queries_are_refused()
    {
        await using var host = await DispatcherHost.StartAsync(new DispatcherOptions { ClientBurst = 1_000 }, Room("room-1"));
        await host.AskAsync("?user=" + new string('a', 7_000), 400);
        await host.AskAsync("?user=" + string.Concat(Enumerable.Repeat("%41", 2_000)), 400);
        await host.AskAsync("?failed=" + new string('a', 7_000), 400);
        await host.AskAsync("?" + string.Join('&', Enumerable.Range(0, 1_000).Select(i => $"x{i}=1")));
        await host.AskAsync("?" + string.Join('&', Enumerable.Repeat("app=a", 1_000)), 400);
    }

    [Theory]
    [InlineData("?app=shop&user=alice", "shop\nalice")]
    [InlineData("?user=alice", "\nalice")]
    [InlineData("?user=alice&app=shop&device=d", "shop\nalice")]
    [InlineData("?APP=shop&User=a+b%2Bc", "shop\na b+c")]
    [InlineData("?user=%C3%A4%F0%9F%98%80", "\nä😀")]
    [InlineData("?device=phone-1&app=shop", "\n\nphone-1")]
    [InlineData("?app=shop", "\n\n\n127.0.0.1")]
    public async Task Who_asks_is_told_apart_by_user_then_device_then_address(string query, string who)
    {
        await using var host = await DispatcherHost.StartAsync(null, Rooms(50));
        var (_, json) = await host.AskAsync(query);
        Assert.Equal(Choose(Table(Rooms(50)), Query(who)), json["addresses"]!.AsArray().Select(address => $"{address!["host"]}:{address["port"]}"));
    }

    [Fact]
    public async Task The_clients_network_says_where_it_is_and_its_own_word_counts_more()
    {
        var options = new DispatcherOptions
        {
            ClientBurst = 1_000,
            Networks =
            [
                new NetworkLocation { Cidr = IPNetwork.Parse("127.0.0.0/8"), Region = "EU", Isp = "x" },
                new NetworkLocation { Cidr = IPNetwork.Parse("10.0.0.0/8"), Region = "us" },
            ],
        };
        await using var host = await DispatcherHost.StartAsync(
            options, Room("eu-x") with { Region = "eu", Isp = "x" }, Room("eu-y") with { Region = "eu", Isp = "y" }, Room("us-x") with { Region = "us", Isp = "x" });
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("eu-x.example", await First($"?user=u{i}"));
            Assert.Equal("eu-y.example", await First($"?user=u{i}&isp=Y"));
            Assert.Equal("us-x.example", await First($"?user=u{i}&region=us"));
            Assert.Equal("us-x.example", await First($"?user=u{i}&region=us&isp=x"));
            // Only a proxy of our own may say for whom it asks.
            Assert.Equal("eu-x.example", await First($"?user=u{i}", "10.1.2.3"));
        }
        host.Settings.Apply(new DispatcherSection { TrustedProxies = [IPNetwork.Parse("127.0.0.0/8")] });
        Assert.Equal("us-x.example", await First("?user=u", "10.1.2.3"));
        Assert.Equal("us-x.example", await First("?user=u", "127.0.0.9, 10.1.2.3"));
        Assert.Equal("us-x.example", await First("?user=u", "10.1.2.3:5555, 127.0.0.7"));
        Assert.Equal("eu-x.example", await First("?user=u", "10.1.2.3, nonsense"));

        async Task<string?> First(string query, params string[] forwardedFor) =>
            (string?)(await host.AskAsync(query, 200, forwardedFor)).Json["addresses"]![0]!["host"];
    }

    [Fact]
    public async Task Behind_a_trusted_proxy_each_client_has_its_own_rate()
    {
        var options = new DispatcherOptions { TrustedProxies = [IPNetwork.Parse("127.0.0.1/32")], ClientRate = 0.5, ClientBurst = 1 };
        await using var host = await DispatcherHost.StartAsync(options, Room("room-1"));
        await host.AskAsync("", 200, "192.0.2.1");
        await host.AskAsync("", 429, "192.0.2.1");
        await host.AskAsync("", 200, "192.0.2.2");
    }

    [Fact]
    public async Task New_settings_hold_for_the_next_request()
    {
        await using var host = await DispatcherHost.StartAsync(null, [.. Rooms(8), Room("blue") with { Group = "B" }]);
        Assert.Equal(5, (await host.AskAsync()).Json["addresses"]!.AsArray().Count);
        host.Settings.Apply(new DispatcherSection
        {
            MaxAddresses = 2, HeartbeatMin = TimeSpan.FromSeconds(1), HeartbeatDefault = TimeSpan.FromSeconds(2), HeartbeatMax = TimeSpan.FromSeconds(3),
        });
        var (_, json) = await host.AskAsync();
        Assert.Equal(2, json["addresses"]!.AsArray().Count);
        Assert.Equal("""{"minSeconds":1,"maxSeconds":3,"defaultSeconds":2}""", json["heartbeat"]!.ToJsonString());
        // The view of the rooms is not old yet, but it was made for another group.
        host.Settings.Apply(new DispatcherSection { ActiveGroup = ActiveGroups.B });
        (_, json) = await host.AskAsync();
        Assert.Equal(("blue.example", "B"), ((string?)json["addresses"]![0]!["host"], (string?)json["group"]));
        host.Settings.Apply(new DispatcherSection { ActiveGroup = ActiveGroups.Both, MaxAddresses = 16 });
        for (var i = 0; i < 20; i++)
        {
            (_, json) = await host.AskAsync($"?user=u{i}");
            Assert.Equal(9, json["addresses"]!.AsArray().Count);
            Assert.Equal((string?)json["addresses"]![0]!["host"] == "blue.example" ? "B" : "A", (string?)json["group"]);
        }
    }

    [Fact]
    public async Task Hosts_are_escaped_as_JSON_demands()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("a", "we\"ird\\ä:7402"));
        Assert.Equal("we\"ird\\ä", (string?)(await host.AskAsync()).Json["addresses"]![0]!["host"]);
    }
}
