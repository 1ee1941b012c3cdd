using System.Net;
using PushSystem.Coordinator.Tests.Fakes;
using PushSystem.Coordinator.Upstream;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Coordinator.Tests;

public sealed class AddressPolicyTests
{
    public static TheoryData<string> Inside =>
    [
        "127.0.0.1", "127.1", "127.255.255.254", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0.0.0.0", "0", "10.1.2.3", "100.64.0.1",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.168.1.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9",
        "192.88.99.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]",
        "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[fc00::1]", "[fd12:3456::1]", "[fe80::1]", "[fec0::1]", "[ff02::1]",
        "[2001::1]", "[2001:db8::1]", "[2002:7f00:1::]", "[3fff::1]", "[100::1]", "localhost",
    ];

    [Theory]
    [MemberData(nameof(Inside))]
    public async Task Hosts_that_lead_inside_are_refused_without_a_connection(string host)
    {
        var url = new Uri($"http://{host}:9/");
        var error = await Assert.ThrowsAsync<WebhookRefusedException>(async () =>
            await WebhookHandler.ConnectPublicAsync(new DnsEndPoint(url.IdnHost, url.Port), CancellationToken.None));
        Assert.Contains("not public", error.Message);
    }

    [Theory]
    [InlineData("8.8.8.8")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.1")]
    [InlineData("100.128.0.1")]
    [InlineData("192.0.1.1")]
    [InlineData("223.255.255.255")]
    [InlineData("::ffff:8.8.8.8")]
    [InlineData("2400:3200::1")]
    [InlineData("2606:4700::1111")]
    [InlineData("2001:4860:4860::8888")]
    public void Public_addresses_are_allowed(string address) => Assert.True(AddressPolicy.IsPublic(IPAddress.Parse(address)));

    [Fact]
    public async Task With_the_option_a_webhook_on_loopback_gets_nothing_and_without_it_everything()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        using var rig = new Rig();
        rig.Options.DenyPrivateNetworks = true;
        rig.Add(Rig.App, receiver.Url);
        await using (var denying = await rig.StartAsync())
        {
            await denying.SubmitAsync(rig.Message("ann", 1), CancellationToken.None);
            for (var i = 0; i < 50; i++)
            {
                rig.Clock.Advance(TimeSpan.FromSeconds(10));
                await Task.Yield();
            }
        }
        Assert.Empty(receiver.Requests);
        Assert.Equal(1, rig.Events.Count);
        rig.Options.DenyPrivateNetworks = false;
        await using var allowing = await rig.StartAsync();
        await Waiting.Until(() => rig.Events.Count == 0, "the delivery");
    }
}
