using System.Net;
using PushSystem.Client.Routing;
using PushSystem.Client.Storage;
using PushSystem.Client.Tests.Support;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests;

public sealed class RoutingTests
{
    private static readonly Uri Dispatcher = new("http://dispatcher.test:7401/");

    [Fact]
    public async Task The_dispatcher_is_asked_with_what_it_needs_and_its_address_is_used()
    {
        using var http = new FakeDispatcher();
        await using var harness = new Harness(o =>
        {
            http.Answer = FakeDispatcher.Route(o.Addresses[0]);
            (o.Addresses, o.Dispatcher, o.HttpHandler, o.Region, o.Isp) = ([], Dispatcher, http, "eu north", "isp&co");
        });
        await harness.StartAsync();
        await (await harness.Room.AcceptAsync()).LoginAsync();
        var asked = Assert.Single(http.Asked);
        Assert.Equal("/v1/route?app=demo&user=alice&device=phone-1&region=eu%20north&isp=isp%26co", asked.PathAndQuery);
    }

    [Fact]
    public async Task A_fresh_list_is_used_without_asking_again()
    {
        using var http = new FakeDispatcher();
        await using var harness = new Harness(o =>
        {
            http.Answer = FakeDispatcher.Route(o.Addresses[0]);
            (o.Addresses, o.Dispatcher, o.HttpHandler) = ([], Dispatcher, http);
        });
        // Without a resume ticket, which would lead back there, and with a heartbeat that does not fall into the wait.
        var settings = FakeConnection.DefaultSettings with { ResumeTicket = default, HeartbeatDefaultSeconds = 500 };
        var room = await harness.StartOnlineAsync(settings);
        room.Close();
        await harness.PassBackOffAsync();
        room = await harness.AcceptOnlineAsync(settings);
        Assert.Single(http.Asked);

        // Older than its 300 s: asked again.
        harness.Clock.Advance(TimeSpan.FromSeconds(301));
        room.Close();
        await harness.PassBackOffAsync();
        await (await harness.Room.AcceptAsync()).ReadLoginAsync();
        Assert.Equal(2, http.Asked.Count);
    }

    [Fact]
    public async Task Addresses_that_failed_are_told_to_the_dispatcher()
    {
        var gone = new FakeRoom();
        gone.Close();
        using var http = new FakeDispatcher { Answer = FakeDispatcher.Route(gone.Address) };
        await using var harness = new Harness(o => (o.Addresses, o.Dispatcher, o.HttpHandler) = ([], Dispatcher, http));
        await harness.StartAsync();
        await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
        http.Answer = FakeDispatcher.Route(harness.Room.Address);
        harness.Client.RetryNow();
        await (await harness.Room.AcceptAsync()).LoginAsync();
        Assert.Contains($"failed=127.0.0.1%3A{gone.Port}", http.Asked[1].Query, StringComparison.Ordinal);
        await gone.DisposeAsync();
    }

    [Fact]
    public async Task With_the_dispatcher_away_the_stored_addresses_are_used_even_when_they_are_old()
    {
        using var folder = new TempFolder();
        using var http = new FakeDispatcher();
        await using (var harness = new Harness(o =>
        {
            http.Answer = FakeDispatcher.Route(o.Addresses[0]);
            (o.Addresses, o.Dispatcher, o.HttpHandler, o.StorePath) = ([], Dispatcher, http, folder.File());
        }))
        {
            await harness.StartOnlineAsync();
            await harness.Client.DisposeAsync();

            http.Answer = _ => throw new HttpRequestException("no route to host");
            await using var later = new Harness(o => (o.Addresses, o.Dispatcher, o.HttpHandler, o.StorePath) = ([], Dispatcher, http, folder.File()), harness.Room);
            later.Clock.Advance(TimeSpan.FromDays(3));
            await later.StartAsync();
            await (await harness.Room.AcceptAsync()).LoginAsync();
            await Waiting.For(later.Alice.WaitBoundAsync(), "bound");
            var error = await later.Errors.NextAsync();
            Assert.Equal(ClientErrorKind.Dispatcher, error.Kind);
            Assert.Contains("no route to host", error.Detail, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Without_any_address_the_client_waits_at_least_as_long_as_the_dispatcher_says()
    {
        using var http = new FakeDispatcher
        {
            Answer = _ =>
            {
                var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
                response.Headers.Add("Retry-After", "60");
                return response;
            },
        };
        await using var harness = new Harness(o => (o.Addresses, o.Dispatcher, o.HttpHandler) = ([], Dispatcher, http));
        await harness.StartAsync();
        var state = await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
        Assert.InRange(state.RetryIn!.Value, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(75));
        Assert.Contains("503", state.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("{}")]
    [InlineData("""{"addresses":[]}""")]
    [InlineData("""{"addresses":[null,{"host":"","port":1},{"host":"a b","port":1},{"host":"ok","port":70000}]}""")]
    public async Task A_useless_answer_is_told_and_the_fixed_addresses_are_used(string body)
    {
        using var http = new FakeDispatcher { Answer = _ => new HttpResponseMessage { Content = new StringContent(body) } };
        await using var harness = new Harness(o => (o.Dispatcher, o.HttpHandler) = (Dispatcher, http));
        await harness.StartAsync();
        await (await harness.Room.AcceptAsync()).LoginAsync();
        Assert.Equal(ClientErrorKind.Dispatcher, (await harness.Errors.NextAsync()).Kind);
    }

    [Fact]
    public async Task An_answer_beyond_the_size_limit_is_refused()
    {
        using var http = new FakeDispatcher { Answer = _ => new HttpResponseMessage { Content = new StringContent(new string(' ', 100_000)) } };
        await using var harness = new Harness(o => (o.Dispatcher, o.HttpHandler) = (Dispatcher, http));
        await harness.StartAsync();
        await (await harness.Room.AcceptAsync()).LoginAsync();
        Assert.Equal(ClientErrorKind.Dispatcher, (await harness.Errors.NextAsync()).Kind);
    }

    [Fact]
    public async Task A_dispatcher_that_does_not_answer_is_given_up_after_the_route_timeout()
    {
        using var http = new FakeDispatcher { Silent = true };
        await using var harness = new Harness(o => (o.Dispatcher, o.HttpHandler, o.RouteTimeout) = (Dispatcher, http, TimeSpan.FromSeconds(7)));
        await harness.StartAsync();
        await harness.Clock.ArmedAsync(TimeSpan.FromSeconds(7), "the route timeout");
        harness.Clock.Advance(TimeSpan.FromSeconds(7));
        await (await harness.Room.AcceptAsync()).LoginAsync();
        Assert.Contains("within 7 s", (await harness.Errors.NextAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_dispatchers_back_off_is_used()
    {
        using var http = new FakeDispatcher();
        await using var harness = new Harness(o =>
        {
            http.Answer = FakeDispatcher.Route(o.Addresses[0], """{"baseMilliseconds":30000,"capMilliseconds":45000,"resetSeconds":60}""");
            (o.Addresses, o.Dispatcher, o.HttpHandler) = ([], Dispatcher, http);
        });
        var room = await harness.StartOnlineAsync();
        harness.Clock.Advance(TimeSpan.FromSeconds(50));
        room.Close();
        var state = await harness.States.NextAsync(s => s.State == ClientState.BackingOff);
        Assert.InRange(state.RetryIn!.Value, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(45));
    }

    [Fact]
    public async Task The_list_of_the_login_is_tried_before_the_fixed_addresses_while_it_is_fresh()
    {
        await using var told = new FakeRoom();
        await using var harness = new Harness();
        var settings = FakeConnection.DefaultSettings with { ResumeTicket = default, Addresses = [told.Address, "bad address"], AddressTtlSeconds = 60 };
        var room = await harness.StartOnlineAsync(settings);
        room.Close();
        await harness.PassBackOffAsync();
        await (await told.AcceptAsync()).ReadLoginAsync();
    }

    [Fact]
    public async Task A_group_switch_without_addresses_leads_back_through_the_dispatcher()
    {
        await using var other = new FakeRoom();
        using var http = new FakeDispatcher();
        await using var harness = new Harness(o =>
        {
            http.Answer = FakeDispatcher.Route(o.Addresses[0]);
            (o.Addresses, o.Dispatcher, o.HttpHandler) = ([], Dispatcher, http);
        });
        var room = await harness.StartOnlineAsync();
        http.Answer = FakeDispatcher.Route(other.Address);
        await room.SendAsync(new GoAwayMessage(ReasonCode.GroupSwitched, null, ReconnectAdvice.Window, 5_000, []).Write);
        await harness.PassBackOffAsync();
        await (await other.AcceptAsync()).ReadLoginAsync();
        Assert.Equal(2, http.Asked.Count);
    }

    [Fact]
    public async Task A_draining_room_is_avoided_even_when_the_dispatcher_still_names_it()
    {
        await using var other = new FakeRoom();
        using var http = new FakeDispatcher();
        await using var harness = new Harness(o =>
        {
            http.Answer = FakeDispatcher.Route(o.Addresses[0]);
            (o.Addresses, o.Dispatcher, o.HttpHandler) = ([other.Address], Dispatcher, http);
        });
        var room = await harness.StartOnlineAsync();
        await room.SendAsync(new GoAwayMessage(ReasonCode.Draining, null, ReconnectAdvice.Window, 5_000, []).Write);
        await harness.PassBackOffAsync();
        await (await other.AcceptAsync()).ReadLoginAsync();
        Assert.False(harness.Room.IsAsked);
        Assert.Contains($"failed=127.0.0.1%3A{harness.Room.Port}", http.Asked[1].Query, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("127.0.0.1:80", "127.0.0.1", 80)]
    [InlineData("room.example.com:65535", "room.example.com", 65535)]
    [InlineData("[::1]:443", "::1", 443)]
    public void Addresses_are_read_and_written_the_same(string text, string host, int port)
    {
        Assert.True(RoomEndpoint.TryParse(text, out var endpoint));
        Assert.Equal((host, port), (endpoint.Host, endpoint.Port));
        Assert.Equal(text, endpoint.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("host")]
    [InlineData(":80")]
    [InlineData("host:")]
    [InlineData("host:0")]
    [InlineData("host:65536")]
    [InlineData("host:-1")]
    [InlineData("host: 80")]
    [InlineData("::1:80")]
    [InlineData("a b:80")]
    [InlineData("http://host:80")]
    public void Text_that_is_no_address_is_refused(string text) => Assert.False(RoomEndpoint.TryParse(text, out _));

    [Fact]
    public void Options_out_of_bounds_are_refused_by_name()
    {
        AssertRefused("Dispatcher or Addresses", o => o.Addresses = []);
        AssertRefused("Dispatcher 'ftp", o => o.Dispatcher = new Uri("ftp://x"));
        AssertRefused("'nonsense'", o => o.Addresses = ["nonsense"]);
        AssertRefused("Device", o => o.Device = "");
        AssertRefused("ConnectTimeout", o => o.ConnectTimeout = TimeSpan.Zero);
        AssertRefused("BackoffCap", o => o.BackoffCap = TimeSpan.FromMilliseconds(10));
        AssertRefused("HeartbeatInterval", o => o.HeartbeatInterval = TimeSpan.FromMilliseconds(10));
        AssertRefused("ReceiveQueueBytes", o => o.ReceiveQueueBytes = 1);
        AssertRefused("SendQueueBytes", o => o.SendQueueBytes = 1);

        static void AssertRefused(string expected, Action<PushClientOptions> change)
        {
            var options = new PushClientOptions { Addresses = ["127.0.0.1:1"], Device = "d" };
            change(options);
            Assert.Contains(expected, Assert.Throws<ArgumentException>(() => new PushClient(options)).Message, StringComparison.Ordinal);
        }
    }
}
