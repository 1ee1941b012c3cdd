using Microsoft.Extensions.Options;
using PushSystem.Cluster.Configuration;
using Xunit;

namespace PushSystem.Dispatcher.Tests;

public sealed class DispatcherSettingsTests
{
    private const string All = """
        dispatcher:
          networks: [{cidr: 192.0.2.0/24, region: eu}]
          fallbackDataCentres: [two]
          trustedProxies: [10.0.0.0/8]
          activeGroup: both
          maxAddresses: 3
          addressTimeToLive: 10s
          heartbeatMin: 11s
          heartbeatDefault: 12s
          heartbeatMax: 13s
          backoffBase: 14ms
          backoffCap: 15ms
          backoffReset: 16s
          fullShare: 0.5
          hotFactor: 2
          hotFrom: 17
          viewAge: 18ms
          noRoomRetry: 19s
          clientRate: 20.5
          clientBurst: 21
          maxClients: 22
        """;

    [Fact]
    public void Every_setting_of_the_configuration_reaches_its_option()
    {
        var settings = new DispatcherSettings(new DispatcherOptions());
        settings.Apply(ClusterConfiguration.Parse(All).Dispatcher);
        var options = settings.Current.Options;
        Assert.Equal(("both", 3, 10d, 11d, 12d, 13d), (options.ActiveGroup, options.MaxAddresses, options.AddressTimeToLive.TotalSeconds,
            options.HeartbeatMin.TotalSeconds, options.HeartbeatDefault.TotalSeconds, options.HeartbeatMax.TotalSeconds));
        Assert.Equal((14d, 15d, 16d, 0.5, 2d, 17), (options.BackoffBase.TotalMilliseconds, options.BackoffCap.TotalMilliseconds,
            options.BackoffReset.TotalSeconds, options.FullShare, options.HotFactor, options.HotFrom));
        Assert.Equal((18d, 19d, 20.5, 21d, 22), (options.ViewAge.TotalMilliseconds, options.NoRoomRetry.TotalSeconds, options.ClientRate, options.ClientBurst, options.MaxClients));
        Assert.Equal(("two", "10.0.0.0/8"), (options.FallbackDataCentres[0], options.TrustedProxies[0].ToString()));
        Assert.Equal("eu", settings.Current.Locations.Find(System.Net.IPAddress.Parse("192.0.2.7")).Region);
    }

    [Fact]
    public void What_the_configuration_leaves_out_is_as_the_process_was_started()
    {
        var started = new DispatcherOptions { MaxAddresses = 4 };
        var settings = new DispatcherSettings(started);
        settings.Apply(new DispatcherSection { MaxAddresses = 2 });
        Assert.Equal((2, 4), (settings.Current.Options.MaxAddresses, started.MaxAddresses));
        settings.Apply(new DispatcherSection());
        Assert.Equal(4, settings.Current.Options.MaxAddresses);
    }

    [Fact]
    public void A_section_that_does_not_fit_is_refused_and_changes_nothing()
    {
        var settings = new DispatcherSettings(new DispatcherOptions());
        var before = settings.Current;
        var wrong = new DispatcherSection { HeartbeatMin = TimeSpan.FromHours(2) };
        Assert.Contains("Dispatcher:HeartbeatMin", Assert.Throws<OptionsValidationException>(() => settings.Check(wrong)).Message, StringComparison.Ordinal);
        Assert.Throws<OptionsValidationException>(() => settings.Apply(wrong));
        Assert.Same(before, settings.Current);
    }

    [Theory]
    [InlineData("{maxAddresses: 1, addressTimeToLive: 1s, heartbeatMin: 1s, heartbeatDefault: 1s, heartbeatMax: 1s, backoffBase: 1ms, backoffCap: 1ms, backoffReset: 1s, fullShare: 0.1, hotFactor: 1.05, hotFrom: 0, viewAge: 1ms, noRoomRetry: 1s, clientRate: 0, clientBurst: 1, maxClients: 1}")]
    [InlineData("{maxAddresses: 16, addressTimeToLive: 1d, heartbeatMin: 1d, heartbeatDefault: 1d, heartbeatMax: 1d, backoffBase: 1h, backoffCap: 1h, backoffReset: 1h, fullShare: 1, hotFactor: 10, hotFrom: 2000000000, viewAge: 1m, noRoomRetry: 10m, clientRate: 1000000, clientBurst: 1000000, maxClients: 10000000}")]
    public void What_the_configuration_allows_the_options_allow_too(string yaml) =>
        new DispatcherSettings(new DispatcherOptions()).Check(ClusterConfiguration.Parse($"dispatcher: {yaml}").Dispatcher);
}
