using System.Net;
using PushSystem.Hosting;
using Xunit;
using static PushSystem.Dispatcher.Tests.TestRooms;

namespace PushSystem.Dispatcher.Tests;

public sealed class RouteEndpointTests
{
    [Fact]
    public async Task The_answer_says_where_to_connect_and_how_to_behave()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("room-1", "192.0.2.1:7402"));
        var (response, _) = await host.AskAsync("?app=shop&user=alice&device=phone-1");
        Assert.Equal("application/json", response.Content.Headers.ContentType!.MediaType);
        Assert.True(response.Headers.CacheControl!.NoStore);
        Assert.Equal(
            """{"addresses":[{"host":"192.0.2.1","port":7402}],"ttlSeconds":300,"group":"A","heartbeat":{"minSeconds":30,"maxSeconds":900,"defaultSeconds":240},"backoff":{"baseMilliseconds":1000,"capMilliseconds":120000,"resetSeconds":10},"serverTime":"2026-01-01T12:00:00Z"}""",
            await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Without_a_room_the_client_is_told_when_to_come_back()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("room-1") with { Draining = true });
        var (response, json) = await host.AskAsync(expect: 503);
        Assert.Equal("/problems/no-room", (string?)json["type"]);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        Assert.Equal(TimeSpan.FromSeconds(5), response.Headers.RetryAfter!.Delta);
    }

    [Fact]
    public async Task A_user_gets_the_same_room_from_every_device_and_two_dispatchers_agree()
    {
        await using var one = await DispatcherHost.StartAsync(null, Rooms(10));
        await using var two = await DispatcherHost.StartAsync(null, Rooms(10));
        for (var i = 0; i < 20; i++)
        {
            var a = (await one.AskAsync($"?app=shop&user=u{i}&device=d1")).Json["addresses"]!.ToJsonString();
            Assert.Equal(a, (await two.AskAsync($"?app=shop&user=u{i}&device=d2")).Json["addresses"]!.ToJsonString());
        }
    }

    [Fact]
    public async Task Failed_addresses_are_left_out()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("a", "192.0.2.1:7402"), Room("b", "2001:db8::1:7402"));
        var (_, json) = await host.AskAsync("?failed=192.0.2.1:7402");
        Assert.Equal("2001:db8::1", (string?)Assert.Single(json["addresses"]!.AsArray())!["host"]);
        (_, json) = await host.AskAsync("?failed=%5B2001:db8::1%5D:7402");
        Assert.Equal("192.0.2.1", (string?)Assert.Single(json["addresses"]!.AsArray())!["host"]);
    }

    [Theory]
    [InlineData("?app=", 200, null)]
    [InlineData("?user=&device=&failed=&region=&isp=", 200, null)]
    [InlineData("?newer=1&user=a", 200, null)]
    [InlineData("?user=%C3%A4%C3%A4", 200, null)]
    [InlineData("?user=a&user=b", 400, "user")]
    [InlineData("?app=a%00b", 400, "app")]
    [InlineData("?device=a%0Ab", 400, "device")]
    [InlineData("?region=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 400, "region")]
    [InlineData("?isp=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 400, "isp")]
    [InlineData("?failed=host", 400, "failed[0]")]
    [InlineData("?failed=a:1,host:", 400, "failed[1]")]
    [InlineData("?failed=a:1,,b:2", 400, "failed[1]")]
    [InlineData("?failed=:7402", 400, "failed[0]")]
    [InlineData("?failed=[]:7402", 400, "failed[0]")]
    [InlineData("?failed=host:0", 400, "failed[0]")]
    [InlineData("?failed=host:65536", 400, "failed[0]")]
    [InlineData("?failed=host:-1", 400, "failed[0]")]
    [InlineData("?failed=host:%2B1", 400, "failed[0]")]
    [InlineData("?failed=2001:db8::1:7402", 400, "failed[0]")]
    [InlineData("?failed=a:1&failed=b:1", 400, "failed")]
    [InlineData("?", 200, null)]
    [InlineData("?&&&", 200, null)]
    [InlineData("?=&=", 200, null)]
    [InlineData("?user", 200, null)]
    [InlineData("?user&user", 400, "user")]
    [InlineData("?user=&user=", 400, "user")]
    [InlineData("?USER=a&user=b", 400, "user")]
    [InlineData("?user=100%", 200, null)]
    [InlineData("?user=%zz%1", 200, null)]
    [InlineData("?user=a=b=c", 200, null)]
    [InlineData("?user=%FF", 400, "user")]
    [InlineData("?user=%C3", 400, "user")]
    [InlineData("?user=%ED%A0%80", 400, "user")]
    [InlineData("?user=%C0%AF", 400, "user")]
    [InlineData("?user=%C2%85", 400, "user")]
    [InlineData("?user=%C2%A0", 200, null)]
    [InlineData("?user=%7F", 400, "user")]
    [InlineData("?user=a%0d%0aX-Injected:1", 400, "user")]
    [InlineData("?region=%E5%8C%97%E4%BA%AC", 200, null)]
    [InlineData("?failed=,", 400, "failed[0]")]
    [InlineData("?failed=host:99999999999999999999", 400, "failed[0]")]
    [InlineData("?failed=host:%31", 200, null)]
    public async Task Queries_are_checked(string query, int status, string? field)
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("room-1"));
        var (_, json) = await host.AskAsync(query, status);
        if (field is null)
            return;
        Assert.Equal("/problems/invalid-field", (string?)json["type"]);
        Assert.Equal(field, (string?)json["field"]);
        Assert.False(string.IsNullOrEmpty((string?)json["limit"]));
    }

    [Fact]
    public async Task Ids_are_measured_in_bytes()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("room-1"));
        await host.AskAsync($"?user={new string('a', 64)}");
        await host.AskAsync($"?user={Uri.EscapeDataString(new string('ä', 32))}");
        await host.AskAsync($"?user={Uri.EscapeDataString(new string('ä', 33))}", 400);
    }

    [Fact]
    public async Task At_most_32_failed_addresses_are_taken()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("room-1"));
        await host.AskAsync("?failed=" + string.Join(',', Enumerable.Range(1, 32).Select(i => $"h:{i}")));
        await host.AskAsync("?failed=" + string.Join(',', Enumerable.Range(1, 33).Select(i => $"h:{i}")), 400);
    }

    [Fact]
    public async Task The_view_of_the_rooms_is_renewed()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("room-1"));
        await host.AskAsync();
        host.Directory.Rooms = [];
        host.Clock.Advance(TimeSpan.FromMilliseconds(249));
        await host.AskAsync();
        host.Clock.Advance(TimeSpan.FromMilliseconds(1));
        await host.AskAsync(expect: 503);
    }

    [Fact]
    public async Task A_client_address_is_held_to_its_rate()
    {
        await using var host = await DispatcherHost.StartAsync(new DispatcherOptions { ClientRate = 0.5, ClientBurst = 3 }, Room("room-1"));
        for (var i = 0; i < 3; i++)
            await host.AskAsync();
        var (response, json) = await host.AskAsync(expect: 429);
        Assert.Equal("/problems/too-many-requests", (string?)json["type"]);
        Assert.Equal(TimeSpan.FromSeconds(2), response.Headers.RetryAfter!.Delta);
        host.Clock.Advance(TimeSpan.FromSeconds(2));
        await host.AskAsync();
        await host.AskAsync(expect: 429);
    }

    [Fact]
    public async Task Other_paths_and_methods_answer_with_problems()
    {
        await using var host = await DispatcherHost.StartAsync();
        using var nowhere = await host.Http.GetAsync(new Uri("/v1/nowhere", UriKind.Relative));
        Assert.Equal(HttpStatusCode.NotFound, nowhere.StatusCode);
        Assert.Equal("application/problem+json", nowhere.Content.Headers.ContentType!.MediaType);
        using var post = await host.Http.PostAsync(new Uri("/v1/route", UriKind.Relative), null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
        Assert.Contains("method-not-allowed", await post.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Results_are_counted()
    {
        await using var host = await DispatcherHost.StartAsync(null, Room("room-1"));
        await host.AskAsync("?failed=x:1");
        await host.AskAsync("?failed=x", 400);
        var text = await host.Http.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        Assert.Contains("push_dispatcher_requests_total{result=\"routed\"}", text, StringComparison.Ordinal);
        Assert.Contains("push_dispatcher_requests_total{result=\"refused\"}", text, StringComparison.Ordinal);
        Assert.Contains("push_dispatcher_failed_addresses_total ", text, StringComparison.Ordinal);
        Assert.Contains("push_dispatcher_rooms ", text, StringComparison.Ordinal);
        Assert.Contains("push_dispatcher_clients ", text, StringComparison.Ordinal);
    }
}
