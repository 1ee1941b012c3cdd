using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Xunit;

namespace PushSystem.Dispatcher.Tests;

public sealed class DispatcherOptionsTests
{
    public static TheoryData<string, DispatcherOptions> Wrong => new()
    {
        { "MaxAddresses", new DispatcherOptions { MaxAddresses = 0 } },
        { "MaxAddresses", new DispatcherOptions { MaxAddresses = 17 } },
        { "AddressTimeToLive", new DispatcherOptions { AddressTimeToLive = TimeSpan.Zero } },
        { "ActiveGroup", new DispatcherOptions { ActiveGroup = "C" } },
        { "HeartbeatMin", new DispatcherOptions { HeartbeatMin = TimeSpan.FromMinutes(5) } },
        { "HeartbeatDefault", new DispatcherOptions { HeartbeatDefault = TimeSpan.FromHours(1) } },
        { "HeartbeatMax", new DispatcherOptions { HeartbeatMax = TimeSpan.FromDays(2) } },
        { "BackoffBase", new DispatcherOptions { BackoffBase = TimeSpan.Zero } },
        { "BackoffCap", new DispatcherOptions { BackoffCap = TimeSpan.FromHours(2) } },
        { "BackoffReset", new DispatcherOptions { BackoffReset = TimeSpan.Zero } },
        { "FullShare", new DispatcherOptions { FullShare = 1.5 } },
        { "HotFactor", new DispatcherOptions { HotFactor = 1 } },
        { "HotFrom", new DispatcherOptions { HotFrom = -1 } },
        { "ViewAge", new DispatcherOptions { ViewAge = TimeSpan.Zero } },
        { "NoRoomRetry", new DispatcherOptions { NoRoomRetry = TimeSpan.Zero } },
        { "ClientRate", new DispatcherOptions { ClientRate = -1 } },
        { "ClientBurst", new DispatcherOptions { ClientBurst = 0 } },
        { "MaxClients", new DispatcherOptions { MaxClients = 0 } },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Wrong_options_are_refused_by_name(string member, DispatcherOptions options)
    {
        var refusal = Assert.Throws<OptionsValidationException>(() => new ServiceCollection().AddDispatcher(options));
        Assert.Contains($"Dispatcher:{member}: ", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_defaults_are_valid() => Assert.NotEmpty(new ServiceCollection().AddDispatcher(new DispatcherOptions()));
}
