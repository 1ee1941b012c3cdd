using System.Diagnostics.Metrics;
using System.Text;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Configuration;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Configuration;

public sealed class ConfigurationSourceTests : IDisposable
{
    private static readonly ClusterKeys Keys = new("test");

    private readonly MemoryEtcd _etcd = new();
    private readonly FakeClock _clock = new();
    private readonly LogLines _log = new();
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Without_a_document_the_defaults_hold()
    {
        await using var source = await Start();
        Assert.Equal((ConfigurationOrigin.Defaults, 0L), (source.Origin, source.Revision));
        Assert.Empty(ConfigurationDiff.Between(ClusterConfiguration.Empty, source.Current));
    }

    [Fact]
    public async Task A_new_document_is_swapped_in_as_a_whole_and_told()
    {
        Put("room: {gracePeriod: 40s}");
        await using var source = await Start();
        Assert.Equal(TimeSpan.FromSeconds(40), source.Current.Room.GracePeriod);
        var told = new List<(TimeSpan? Before, TimeSpan? After)>();
        source.Changed += (before, after) => told.Add((before.Room.GracePeriod, after.Room.GracePeriod));
        Put("room: {gracePeriod: 50s}");
        Assert.Equal([(TimeSpan.FromSeconds(40), TimeSpan.FromSeconds(50))], told);
        Assert.Equal((ConfigurationOrigin.Etcd, _etcd.Revision), (source.Origin, source.Revision));
        _etcd.Delete(Keys.Configuration);
        Assert.Null(source.Current.Room.GracePeriod);
        Assert.Equal(2, told.Count);
    }

    [Theory]
    [InlineData("room: {gracePeriod: 40}")]
    [InlineData("room: {")]
    [InlineData("roam: {}")]
    public async Task A_bad_revision_is_rejected_with_a_line_and_a_metric_and_the_old_one_stays(string bad)
    {
        Put("room: {gracePeriod: 40s}");
        var good = _etcd.Revision;
        await using var source = await Start();
        using var meter = new Metric("push_config_rejected");
        source.Changed += (_, _) => Assert.Fail("nothing changed");
        Put(bad);
        Assert.Equal(TimeSpan.FromSeconds(40), source.Current.Room.GracePeriod);
        Assert.Equal(good, source.Revision);
        Assert.Equal(1, meter.Sum);
        Assert.Contains($"revision {_etcd.Revision} is rejected, revision {good} stays in force", Assert.Single(_log.Of(LogLevel.Error)), StringComparison.Ordinal);
        // Another key of the cluster changes: that is no new revision of the document.
        _etcd.Put(Keys.Configuration + "-other", "x"u8);
        Assert.Single(_log.Of(LogLevel.Error));
    }

    [Fact]
    public async Task After_a_rejected_revision_the_next_good_one_is_taken()
    {
        await using var source = await Start();
        Put("room: {gracePeriod: never}");
        Put("room: {gracePeriod: 41s}");
        Assert.Equal(TimeSpan.FromSeconds(41), source.Current.Room.GracePeriod);
    }

    [Fact]
    public async Task The_process_itself_may_reject_a_revision()
    {
        await using var source = await Start(new ConfigurationSourceOptions
        {
            Check = configuration => _ = configuration.Room.FrameBurst > 100 ? throw new ArgumentException("Room:FrameBurst is too much for me") : 0,
        });
        Put("room: {frameBurst: 101}");
        Assert.Null(source.Current.Room.FrameBurst);
        Assert.Contains("Room:FrameBurst is too much for me", Assert.Single(_log.Of(LogLevel.Error)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_throws_does_not_keep_the_others_from_hearing()
    {
        await using var source = await Start();
        var heard = 0;
        source.Changed += (_, _) => throw new InvalidOperationException("mine");
        source.Changed += (_, _) => heard++;
        Put("room: {frameBurst: 5}");
        Assert.Equal(1, heard);
    }

    [Fact]
    public async Task A_node_starts_from_its_disk_while_etcd_is_away_and_says_so()
    {
        Put("room: {gracePeriod: 40s}");
        var revision = _etcd.Revision;
        await (await Start(OnDisk)).DisposeAsync();
        _etcd.IsAway = true;
        await using var source = await StartAway();
        Assert.Equal((ConfigurationOrigin.Disk, revision), (source.Origin, source.Revision));
        Assert.Equal(TimeSpan.FromSeconds(40), source.Current.Room.GracePeriod);
        Assert.Contains($"started with the configuration of revision {revision} from", Assert.Single(_log.Of(LogLevel.Warning)), StringComparison.Ordinal);

        var changes = 0;
        source.Changed += (_, _) => changes++;
        _etcd.IsAway = false;
        Assert.Equal((ConfigurationOrigin.Etcd, 0), (source.Origin, changes));
        Put("room: {gracePeriod: 50s}");
        Assert.Equal((TimeSpan.FromSeconds(50), 1), (source.Current.Room.GracePeriod!.Value, changes));
    }

    [Fact]
    public async Task A_rejected_revision_never_reaches_the_disk()
    {
        Put("room: {gracePeriod: 40s}");
        await using (await Start(OnDisk))
            Put("room: {gracePeriod: 40}");
        _etcd.IsAway = true;
        await using var source = await StartAway();
        Assert.Equal(TimeSpan.FromSeconds(40), source.Current.Room.GracePeriod);
    }

    [Fact]
    public async Task A_start_into_a_bad_revision_takes_the_disk_and_without_one_fails()
    {
        Put("room: {gracePeriod: 40}");
        var refusal = await Assert.ThrowsAsync<ConfigurationException>(() => Start(OnDisk));
        Assert.Contains("room.gracePeriod", refusal.Message, StringComparison.Ordinal);
        Put("room: {gracePeriod: 40s}");
        await (await Start(OnDisk)).DisposeAsync();
        Put("room: {gracePeriod: 40}");
        await using var source = await Start(OnDisk);
        Assert.Equal((ConfigurationOrigin.Disk, TimeSpan.FromSeconds(40)), (source.Origin, source.Current.Room.GracePeriod!.Value));
    }

    [Fact]
    public async Task Without_etcd_and_disk_the_start_waits_for_etcd()
    {
        _etcd.IsAway = true;
        var starting = Start(OnDisk);
        _clock.Advance(TimeSpan.FromSeconds(5));
        await Waiting.Until(() => _log.Of(LogLevel.Warning).Count == 1, "the source says that it waits");
        Assert.False(starting.IsCompleted);
        Put("room: {gracePeriod: 40s}");
        _etcd.IsAway = false;
        await using var source = await Waiting.For(starting, "the start after etcd came back");
        Assert.Equal((ConfigurationOrigin.Etcd, TimeSpan.FromSeconds(40)), (source.Origin, source.Current.Room.GracePeriod!.Value));
    }

    [Fact]
    public async Task That_there_is_no_document_is_remembered_on_disk_too()
    {
        await (await Start(OnDisk)).DisposeAsync();
        _etcd.IsAway = true;
        await using var source = await StartAway();
        Assert.Equal((ConfigurationOrigin.Disk, 0L), (source.Origin, source.Revision));
    }

    [Fact]
    public async Task A_restored_etcd_with_lower_revisions_counts_after_a_start_from_disk()
    {
        for (var i = 0; i < 5; i++)
            Put("room: {gracePeriod: 40s}");
        await (await Start(OnDisk)).DisposeAsync();
        _etcd.IsAway = true;
        await using var source = await StartAway();
        _etcd.Wipe();
        Put("room: {gracePeriod: 10s}");
        _etcd.IsAway = false;
        Assert.Equal(TimeSpan.FromSeconds(10), source.Current.Room.GracePeriod);
    }

    [Fact]
    public async Task The_revision_in_force_is_a_metric()
    {
        Put("room: {gracePeriod: 40s}");
        await using var source = await Start();
        using var meter = new Metric("push_config_revision");
        meter.Observe();
        Assert.Contains(_etcd.Revision, meter.Seen);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(40)]
    [InlineData(-1)]
    public void A_damaged_file_is_not_used_wherever_it_is_damaged(int at)
    {
        var path = _folder.File("damaged");
        LastGoodFile.Write(path, Keys.Root, 7, "room: {}"u8);
        Assert.Equal("room: {}"u8.ToArray(), LastGoodFile.Read(path, Keys.Root, out _)!.Content);
        var bytes = File.ReadAllBytes(path);
        bytes[at < 0 ? ^1 : at] ^= 0x20;
        File.WriteAllBytes(path, bytes);
        Assert.Null(LastGoodFile.Read(path, Keys.Root, out var problem));
        Assert.NotEmpty(problem);
    }

    [Fact]
    public void A_file_cut_short_or_of_another_cluster_is_not_used()
    {
        var path = _folder.File("cut");
        LastGoodFile.Write(path, Keys.Root, 7, "room: {}"u8);
        var bytes = File.ReadAllBytes(path);
        for (var length = 0; length < bytes.Length; length++)
        {
            File.WriteAllBytes(path, bytes[..length]);
            Assert.Null(LastGoodFile.Read(path, Keys.Root, out _));
        }
        File.WriteAllBytes(path, bytes);
        Assert.Null(LastGoodFile.Read(path, "/push/other/", out var problem));
        Assert.Contains("belongs to the cluster /push/test/", problem, StringComparison.Ordinal);
        Assert.Null(LastGoodFile.Read(_folder.File("absent"), Keys.Root, out problem));
        Assert.Equal("", problem);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    private ConfigurationSourceOptions OnDisk => new() { LastGoodPath = _folder.File("configuration.last") };

    private void Put(string yaml) => _etcd.Put(Keys.Configuration, Encoding.UTF8.GetBytes(yaml));

    private Task<ConfigurationSource> Start(ConfigurationSourceOptions? options = null) =>
        ConfigurationSource.StartAsync(_etcd, Keys, options ?? new ConfigurationSourceOptions(), _clock, _log, CancellationToken.None);

    private async Task<ConfigurationSource> StartAway()
    {
        var starting = Start(OnDisk);
        _clock.Advance(TimeSpan.FromSeconds(5));
        return await Waiting.For(starting, "the start from disk");
    }

    /// <summary>Listens to one instrument of the cluster library.</summary>
    private sealed class Metric : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Lock _lock = new();

        public Metric(string name)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "PushSystem.Cluster" && instrument.Name == name)
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, value, _, _) =>
            {
                lock (_lock)
                    Seen.Add(value);
            });
            _listener.Start();
        }

        public List<long> Seen { get; } = [];

        public long Sum => Seen.Sum();

        public void Observe() => _listener.RecordObservableInstruments();

        public void Dispose() => _listener.Dispose();
    }
}
