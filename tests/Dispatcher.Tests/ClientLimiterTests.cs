using System.Net;
using PushSystem.Dispatcher.Endpoints;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Dispatcher.Tests;

public sealed class ClientLimiterTests : IDisposable
{
    private readonly FakeClock _clock = new();
    private readonly DispatcherMetrics _metrics = new();
    private DispatcherOptions _options = new();

    public void Dispose() => _metrics.Dispose();

    [Fact]
    public void Clients_do_not_use_up_each_others_rate()
    {
        var limiter = Limiter(burst: 1);
        Assert.True(Take(limiter, "192.0.2.1"));
        Assert.False(Take(limiter, "192.0.2.1"));
        Assert.True(Take(limiter, "192.0.2.2"));
    }

    [Fact]
    public void An_ipv6_client_cannot_escape_within_its_network()
    {
        var limiter = Limiter(burst: 1);
        Assert.True(Take(limiter, "2001:db8:1:2::1"));
        Assert.False(Take(limiter, "2001:db8:1:2:ffff::9"));
        Assert.True(Take(limiter, "2001:db8:1:3::1"));
    }

    [Fact]
    public void A_mapped_address_is_the_ipv4_address()
    {
        var limiter = Limiter(burst: 1);
        Assert.True(Take(limiter, "192.0.2.1"));
        Assert.False(Take(limiter, "::ffff:192.0.2.1"));
    }

    [Fact]
    public void A_full_table_lets_new_clients_share_one_allowance_until_others_are_idle()
    {
        var limiter = Limiter(burst: 2, maxClients: 2);
        Assert.True(Take(limiter, "192.0.2.1"));
        Assert.True(Take(limiter, "192.0.2.2"));
        Assert.True(Take(limiter, "192.0.2.3"));
        Assert.True(Take(limiter, "192.0.2.4"));
        Assert.False(Take(limiter, "192.0.2.5"));
        Assert.True(Take(limiter, "192.0.2.1"));
        _clock.Advance(TimeSpan.FromSeconds(3));
        Assert.True(Take(limiter, "192.0.2.6"));
        Assert.True(Take(limiter, "192.0.2.6"));
        Assert.False(Take(limiter, "192.0.2.6"));
        Assert.True(Take(limiter, "192.0.2.7"));
    }

    [Fact]
    public void No_rate_is_no_limit()
    {
        var limiter = Limiter(burst: 1);
        for (var i = 0; i < 1_000; i++)
            Assert.True(limiter.TryTake(IPAddress.Parse("192.0.2.1"), new DispatcherOptions { ClientRate = 0 }, out _));
    }

    private ClientLimiter Limiter(double burst, int maxClients = 100)
    {
        _options = new DispatcherOptions { ClientRate = 1, ClientBurst = burst, MaxClients = maxClients };
        return new ClientLimiter(_metrics, _clock);
    }

    private bool Take(ClientLimiter limiter, string address) => limiter.TryTake(IPAddress.Parse(address), _options, out _);
}
