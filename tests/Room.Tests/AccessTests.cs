using System.Net;
using PushSystem.Protocol;
using PushSystem.Room.Access;
using PushSystem.Room.Tests.Support;
using PushSystem.TestSupport;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class AccessTests
{
    [Theory]
    [InlineData("10.1.2.3", true)]
    [InlineData("10.1.9.3", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("2001:db8::1", true)]
    [InlineData("2001:db9::1", false)]
    [InlineData("::ffff:10.1.2.3", true)]
    [InlineData("::ffff:10.1.9.3", false)]
    public void Denied_networks_come_before_allowed_ones(string address, bool allowed)
    {
        var policy = new AccessPolicy(new RoomOptions
        {
            AllowedNetworks = [IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("2001:db8::/32")],
            DeniedNetworks = [IPNetwork.Parse("10.1.9.0/24")],
        });
        Assert.Equal(allowed, policy.Allows(IPAddress.Parse(address)));
    }

    [Fact]
    public void Without_lists_everybody_may_connect() => Assert.True(new AccessPolicy(new RoomOptions()).Allows(IPAddress.Parse("8.8.8.8")));

    [Fact]
    public async Task A_denied_address_is_told_to_stay_away()
    {
        await using var world = new RoomWorld(options => options.DeniedNetworks = [IPNetwork.Parse("10.0.0.0/8")]);
        var client = world.Connect(remote: new IPEndPoint(IPAddress.Parse("10.0.0.1"), 5));
        Assert.Equal(ReconnectAdvice.Stay, client.ExpectError(ReasonCode.AccessDenied).Advice);
        Assert.Equal(0, world.Room.Connections);
        Assert.Empty(world.Connect().Login().Results);
    }

    [Fact]
    public async Task Each_address_has_its_own_connection_rate()
    {
        await using var world = new RoomWorld(options => (options.ConnectionsPerSecondPerAddress, options.ConnectionBurstPerAddress) = (1, 2));
        var busy = new IPEndPoint(IPAddress.Parse("10.0.0.1"), 5);
        world.Connect(remote: busy).Login();
        world.Connect(remote: busy).Login();
        var error = world.Connect(remote: busy).ExpectError(ReasonCode.RateLimited);
        Assert.Equal((ReconnectAdvice.Window, 30_000), (error.Advice, error.WindowMilliseconds));
        world.Connect(remote: new IPEndPoint(IPAddress.Parse("10.0.0.2"), 5)).Login();
        world.Advance(1);
        world.Connect(remote: busy).Login();
    }

    [Fact]
    public void Addresses_of_one_ipv6_network_share_a_rate_and_mapped_ones_count_as_ipv4()
    {
        var table = new AddressRateTable(() => new RoomOptions { ConnectionsPerSecondPerAddress = 1, ConnectionBurstPerAddress = 1 }, new FakeClock());
        Assert.True(table.TryTake(IPAddress.Parse("2001:db8:0:1::1")));
        Assert.False(table.TryTake(IPAddress.Parse("2001:db8:0:1::2")));
        Assert.True(table.TryTake(IPAddress.Parse("2001:db8:0:2::1")));
        Assert.True(table.TryTake(IPAddress.Parse("10.0.0.1")));
        Assert.False(table.TryTake(IPAddress.Parse("::ffff:10.0.0.1")));
    }

    [Fact]
    public void The_table_of_addresses_has_a_fixed_size()
    {
        var clock = new FakeClock();
        var table = new AddressRateTable(
            () => new RoomOptions { ConnectionsPerSecondPerAddress = 1, ConnectionBurstPerAddress = 1, MaxTrackedAddresses = 4 }, clock);
        for (byte i = 1; i <= 200; i++)
        {
            clock.Advance(TimeSpan.FromMilliseconds(1));
            Assert.True(table.TryTake(new IPAddress([10, 0, 0, i])));
        }
        Assert.False(table.TryTake(new IPAddress([10, 0, 0, 200])));
        Assert.True(table.TryTake(new IPAddress([10, 0, 0, 1])));
    }

    [Fact]
    public async Task A_full_room_is_busy_and_free_again_after_a_close()
    {
        await using var world = new RoomWorld(options => options.MaxConnections = 2);
        var client = world.LogIn(Alice);
        world.LogIn(Bob);
        Assert.Equal(ReconnectAdvice.Window, world.Connect().ExpectError(ReasonCode.Busy).Advice);
        client.Drop();
        world.Connect().Login();
    }

    [Fact]
    public async Task Logins_that_wait_for_the_stores_are_bounded()
    {
        await using var world = new RoomWorld(options => options.MaxConcurrentLogins = 1);
        var gate = world.Registry.Script.HoldBefore("BindAsync");
        var first = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        var second = world.Connect().SendPreface().SendLogin(world.Binding(Bob));
        Assert.Equal(30_000, second.ExpectError(ReasonCode.Busy).WindowMilliseconds);
        gate.Release();
        first.ExpectLogin();
        world.LogIn(Bob);
    }

    [Fact]
    public async Task A_login_that_fails_or_loses_its_connection_gives_its_place_back()
    {
        await using var world = new RoomWorld(options => options.MaxConcurrentLogins = 1);
        world.Registry.Script.Fail("BindAsync");
        world.Connect().Login(world.Binding(Alice));
        var gate = world.Registry.Script.HoldBefore("BindAsync");
        var lost = world.Connect().SendPreface().SendLogin(world.Binding(Alice));
        lost.Drop();
        gate.Release();
        world.Connect().Login(world.Binding(Alice) with { Ticket = new byte[10] });
        world.LogIn(Bob);
    }
}
