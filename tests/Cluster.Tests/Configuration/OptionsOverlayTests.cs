using System.Net;
using PushSystem.Cluster.Configuration;

namespace PushSystem.Cluster.Tests.Configuration;

public sealed class OptionsOverlayTests
{
    private readonly Options _options = new() { RetryCap = TimeSpan.FromMinutes(1) };

    [Fact]
    public void What_is_set_holds_and_what_is_not_is_as_the_process_was_started()
    {
        var overlay = new OptionsOverlay<Options, CoordinatorSection>(_options);
        overlay.ApplyAtStart(new CoordinatorSection { InFlightPerApp = 5, RetryBase = TimeSpan.FromSeconds(2), RetryCap = TimeSpan.FromSeconds(3) });
        Assert.Equal((5, TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3)), (_options.InFlightPerApp, _options.RetryBase, _options.RetryCap));
        overlay.ApplyAtStart(new CoordinatorSection());
        Assert.Equal((16, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1)), (_options.InFlightPerApp, _options.RetryBase, _options.RetryCap));
    }

    [Fact]
    public void While_it_runs_only_hot_settings_change_and_the_others_are_named()
    {
        var overlay = new OptionsOverlay<Options, CoordinatorSection>(_options);
        overlay.ApplyAtStart(new CoordinatorSection());
        Assert.Equal(["retryBase", "retryCap"], overlay.Apply(new CoordinatorSection { InFlightPerApp = 7, RetryBase = TimeSpan.FromSeconds(2), RetryCap = TimeSpan.FromSeconds(3) }));
        Assert.Equal((7, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(1)), (_options.InFlightPerApp, _options.RetryBase, _options.RetryCap));
        Assert.Empty(overlay.Apply(new CoordinatorSection()));
        Assert.Equal(16, _options.InFlightPerApp);
    }

    [Fact]
    public void A_check_sees_what_a_start_would_see_and_changes_nothing()
    {
        var overlay = new OptionsOverlay<Options, CoordinatorSection>(_options);
        overlay.ApplyAtStart(new CoordinatorSection());
        void Validate(Options options) => ArgumentOutOfRangeException.ThrowIfGreaterThan(options.RetryBase, options.RetryCap);
        overlay.Check(new CoordinatorSection { InFlightPerApp = 7 }, Validate);
        Assert.Throws<ArgumentOutOfRangeException>(() => overlay.Check(new CoordinatorSection { RetryBase = TimeSpan.FromMinutes(2) }, Validate));
        Assert.Equal(16, _options.InFlightPerApp);
    }

    [Fact]
    public void Lists_and_enumerations_find_their_way()
    {
        var options = new RoomLike();
        var overlay = new OptionsOverlay<RoomLike, LogSection>(options);
        overlay.ApplyAtStart(new LogSection { Level = Microsoft.Extensions.Logging.LogLevel.Error });
        Assert.Equal("error", options.Level);
    }

    [Fact]
    public void Settings_of_other_options_are_left_alone()
    {
        var some = new SomeOfIt();
        new OptionsOverlay<SomeOfIt, CoordinatorSection>(some).ApplyAtStart(new CoordinatorSection { InFlightPerApp = 3, GonePause = TimeSpan.FromSeconds(1) });
        Assert.Equal(3, some.InFlightPerApp);
    }

    [Fact]
    public void Options_that_have_nothing_of_a_section_are_a_defect_that_shows_at_once() =>
        Assert.Throws<InvalidOperationException>(() => new OptionsOverlay<RoomLike, RoomSection>(new RoomLike()));

    private sealed class SomeOfIt
    {
        public int InFlightPerApp { get; set; } = 16;
    }

    private sealed class RoomLike
    {
        public string Level { get; set; } = "information";
    }

    private sealed class Options
    {
        public int InFlightPerApp { get; set; } = 16;
        public TimeSpan RequestTimeout { get; set; }
        public TimeSpan RetryBase { get; set; } = TimeSpan.FromSeconds(1);
        public TimeSpan RetryCap { get; set; }
        public TimeSpan RetryAfterCap { get; set; }
        public TimeSpan GiveUpAge { get; set; }
        public TimeSpan GonePause { get; set; }
        public TimeSpan NoTargetRecheck { get; set; }
        public int EndpointFailureUsers { get; set; }
        public TimeSpan EndpointPauseCap { get; set; }
        public TimeSpan QueueFullRetry { get; set; }
        public TimeSpan NotStoredRetry { get; set; }
        public bool DenyPrivateNetworks { get; set; }
    }
}
