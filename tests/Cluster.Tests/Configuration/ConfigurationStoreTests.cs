using PushSystem.Cluster.Configuration;
using PushSystem.Cluster.Etcd;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Configuration;

public sealed class ConfigurationStoreTests
{
    private static readonly ClusterKeys Keys = new("test");

    private readonly MemoryEtcd _etcd = new();
    private readonly FakeClock _clock = new();

    private ConfigurationStore Store => new(_etcd, Keys, _clock);

    [Fact]
    public async Task What_is_applied_is_in_force_and_in_the_history()
    {
        Assert.Equal(new StoredConfiguration("", 0), await Store.ReadAsync(default));
        Assert.Equal(1, await Store.ApplyAsync("# why\nroom: {frameBurst: 5}", 0, "ann", "first", default));
        var stored = await Store.ReadAsync(default);
        Assert.Equal(("# why\nroom: {frameBurst: 5}", _etcd.Revision), (stored.Yaml, stored.Revision));
        Assert.Equal(2, await Store.ApplyAsync("room: {frameBurst: 6}", stored.Revision, "bob", "second", default));
        var history = await Store.HistoryAsync(default);
        Assert.Equal([(1L, "ann", "first"), (2L, "bob", "second")], history.Select(change => (change.Number, change.By, change.Note)));
        Assert.Equal(_clock.GetUtcNow(), history[0].At);
        Assert.Equal("room: {frameBurst: 6}", (await Store.FindAsync(2, default))!.Yaml);
        Assert.Null(await Store.FindAsync(3, default));
    }

    [Fact]
    public async Task A_change_in_between_is_not_overwritten()
    {
        await Store.ApplyAsync("room: {frameBurst: 5}", 0, "ann", "", default);
        var seen = (await Store.ReadAsync(default)).Revision;
        _etcd.BeforeCommit = () => _etcd.Put(Keys.Configuration, "room: {frameBurst: 6}"u8);
        Assert.Null(await Store.ApplyAsync("room: {frameBurst: 7}", seen, "bob", "", default));
        Assert.Equal("room: {frameBurst: 6}", (await Store.ReadAsync(default)).Yaml);
        Assert.Single(await Store.HistoryAsync(default));
        Assert.Null(await Store.ApplyAsync("room: {frameBurst: 7}", 0, "bob", "", default));
    }

    [Fact]
    public async Task A_document_that_is_not_valid_is_not_written()
    {
        await Assert.ThrowsAsync<ConfigurationException>(async () => await Store.ApplyAsync("room: {frameBurst: 0}", 0, "ann", "", default));
        Assert.Equal(1, _etcd.Revision);
    }

    [Fact]
    public async Task The_history_is_bounded_and_keeps_its_numbers()
    {
        var revision = 0L;
        for (var i = 1; i <= ConfigurationStore.HistoryLength + 5; i++)
        {
            Assert.Equal(i, await Store.ApplyAsync($"room: {{frameBurst: {i}}}", revision, "ann", "", default));
            revision = (await Store.ReadAsync(default)).Revision;
        }
        var history = await Store.HistoryAsync(default);
        Assert.Equal(ConfigurationStore.HistoryLength, history.Count);
        Assert.Equal((6L, ConfigurationStore.HistoryLength + 5L), (history[0].Number, history[^1].Number));
    }

    [Fact]
    public async Task An_entry_of_the_history_that_cannot_be_read_is_left_out()
    {
        await Store.ApplyAsync("{}", 0, "ann", "", default);
        _etcd.Put(Keys.ConfigurationHistory + "0000000002", "nothing"u8);
        _etcd.Put(Keys.ConfigurationHistory + "0000000003", "{\n"u8);
        Assert.Single(await Store.HistoryAsync(default));
        Assert.Equal(4, await Store.ApplyAsync("{}", (await Store.ReadAsync(default)).Revision, "ann", "", default));
    }

    [Fact]
    public async Task Etcd_away_is_told()
    {
        _etcd.IsAway = true;
        await Assert.ThrowsAsync<EtcdException>(async () => await Store.ReadAsync(default));
    }

    [Fact]
    public async Task The_layout_is_laid_down_once()
    {
        Assert.Null(await ClusterLayout.FindAsync(_etcd, Keys, default));
        Assert.Equal(ClusterLayout.Default, await ClusterLayout.LoadAsync(_etcd, Keys, default));
        Assert.False(await ClusterLayout.CreateAsync(_etcd, Keys, new ClusterLayout(8, 8), default));
        Assert.Equal(new ClusterLayout(64, 64), await ClusterLayout.LoadAsync(_etcd, Keys, default));
    }

    [Fact]
    public async Task A_node_takes_the_layout_of_whoever_was_faster()
    {
        _etcd.BeforeCommit = () => _etcd.Put(Keys.Layout, """{"partitions":8,"registryParts":16,"later":true}"""u8);
        Assert.Equal(new ClusterLayout(8, 16), await ClusterLayout.LoadAsync(_etcd, Keys, default));
    }

    [Fact]
    public async Task A_node_knows_the_layout_from_its_disk_while_etcd_is_away()
    {
        using var folder = new TempFolder();
        var path = folder.File("layout.last");
        _etcd.Put(Keys.Layout, "{\"partitions\":8,\"registryParts\":16}"u8);
        var log = new LogLines();
        Assert.Equal(new ClusterLayout(8, 16), await ClusterLayout.StartAsync(_etcd, Keys, path, _clock, log, default));
        _etcd.IsAway = true;
        Assert.Equal(new ClusterLayout(8, 16), await ClusterLayout.StartAsync(_etcd, Keys, path, _clock, log, default));
        var waiting = ClusterLayout.StartAsync(_etcd, Keys, folder.File("none"), _clock, log, default);
        Assert.False(waiting.IsCompleted);
        _etcd.IsAway = false;
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(new ClusterLayout(8, 16), await Waiting.For(waiting, "the layout after etcd came back"));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("{\"partitions\":64}")]
    [InlineData("{\"partitions\":0,\"registryParts\":64}")]
    [InlineData("{\"partitions\":4097,\"registryParts\":64}")]
    [InlineData("64")]
    public async Task A_layout_that_cannot_be_used_stops_the_start(string json)
    {
        _etcd.Put(Keys.Layout, System.Text.Encoding.UTF8.GetBytes(json));
        await Assert.ThrowsAsync<InvalidDataException>(async () => await ClusterLayout.LoadAsync(_etcd, Keys, default));
    }

    [Fact]
    public async Task An_impossible_layout_is_not_written()
    {
        await Assert.ThrowsAsync<ArgumentException>(async () => await ClusterLayout.CreateAsync(_etcd, Keys, new ClusterLayout(64, 5_000), default));
        Assert.Equal(1, _etcd.Revision);
    }
}
