using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Cluster.Apps;
using PushSystem.Cluster.Configuration;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Tests.Apps;
using PushSystem.Contracts;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Cluster.Tests.Configuration;

/// <summary>Configuration, apps and layout over the real client and a real etcd.</summary>
public sealed class RealEtcdTests(RealEtcdTests.Server server) : IClassFixture<RealEtcdTests.Server>, IDisposable
{
    private readonly LogLines _log = new();
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_configuration_is_applied_followed_and_rejected()
    {
        var keys = new ClusterKeys("config");
        await using var etcd = server.Open();
        var store = new ConfigurationStore(etcd, keys, TimeProvider.System);
        Assert.Equal(1, await store.ApplyAsync("room: {gracePeriod: 40s}", 0, "ann", "first", default));
        await using var source = await Start(etcd, keys);
        Assert.Equal((ConfigurationOrigin.Etcd, TimeSpan.FromSeconds(40)), (source.Origin, source.Current.Room.GracePeriod!.Value));

        var changed = new TaskCompletionSource<ClusterConfiguration>(TaskCreationOptions.RunContinuationsAsynchronously);
        source.Changed += (_, now) => changed.TrySetResult(now);
        var seen = (await store.ReadAsync(default)).Revision;
        Assert.Equal(2, await store.ApplyAsync("room: {gracePeriod: 50s}", seen, "ann", "second", default));
        Assert.Equal(TimeSpan.FromSeconds(50), (await Waiting.For(changed.Task, "the second configuration")).Room.GracePeriod);
        Assert.Null(await store.ApplyAsync("room: {gracePeriod: 60s}", seen, "bob", "too late", default));

        await etcd.CommitAsync(new EtcdTransaction([], [new EtcdWrite(keys.Configuration, Encoding.UTF8.GetBytes("room: {gracePeriod: 60}"), 0)]), default);
        await Waiting.Until(() => _log.Of(LogLevel.Error).Count == 1, "the bad revision is rejected");
        Assert.Equal(TimeSpan.FromSeconds(50), source.Current.Room.GracePeriod);
        Assert.Equal(["first", "second"], (await store.HistoryAsync(default)).Select(change => change.Note));
    }

    [Fact]
    public async Task A_large_list_of_networks_fits_into_one_change()
    {
        var keys = new ClusterKeys("large");
        var text = new StringBuilder("dispatcher:\n  networks:\n");
        for (var i = 0; i < 60_000; i++)
            text.Append("    - {cidr: ").Append(1 + i / 65_536).Append('.').Append(i / 256 % 256).Append('.').Append(i % 256).Append(".0/24, region: r").Append(i * 7919 % 40).Append("}\n");
        await using var etcd = server.Open();
        var store = new ConfigurationStore(etcd, keys, TimeProvider.System);
        Assert.Equal(1, await store.ApplyAsync(text.ToString(), 0, "ann", "", default));
        await using var source = await Start(etcd, keys);
        Assert.Equal(60_000, source.Current.Dispatcher.Networks!.Count);
    }

    [Fact]
    public async Task Apps_saved_by_one_process_are_seen_by_another()
    {
        var keys = new ClusterKeys("apps");
        using var cipher = new AppCipher([AppCipherTests.NewKey]);
        await using var etcd = server.Open();
        await using var other = server.Open();
        await using var one = await EtcdAppDirectory.StartAsync(etcd, keys, cipher, new AppDirectoryOptions(), TimeProvider.System, _log, default);
        await using var two = await EtcdAppDirectory.StartAsync(other, keys, cipher, new AppDirectoryOptions(), TimeProvider.System, _log, default);
        var seen = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        two.Changed += id => seen.TrySetResult(id);
        var saved = await one.SaveAsync(new AppRecord { Id = "shop", Name = "first" }, 0, default);
        Assert.Equal(saved!.Revision, one.Find("shop")!.Revision);
        Assert.Equal("shop", await Waiting.For(seen.Task, "the other process sees the app"));
        Assert.Equal(saved.Revision, two.Find("shop")!.Revision);
        Assert.Null(await two.SaveAsync(new AppRecord { Id = "shop", Name = "wrong" }, saved.Revision - 1, default));
        Assert.NotNull(await two.SaveAsync(new AppRecord { Id = "shop", Name = "second" }, saved.Revision, default));
        await Waiting.Until(() => one.Find("shop")!.Name == "second", "the first process sees the change");
    }

    [Fact]
    public async Task A_layout_is_laid_down_once()
    {
        var keys = new ClusterKeys("layout");
        await using var etcd = server.Open();
        Assert.Equal(ClusterLayout.Default, await ClusterLayout.LoadAsync(etcd, keys, default));
        Assert.False(await ClusterLayout.CreateAsync(etcd, keys, new ClusterLayout(8, 8), default));
        Assert.Equal(ClusterLayout.Default, await ClusterLayout.FindAsync(etcd, keys, default));
    }

    [Fact]
    public async Task A_node_starts_while_etcd_is_down_and_follows_it_when_it_is_back()
    {
        await using var own = await EtcdServer.StartAsync();
        var keys = new ClusterKeys("outage");
        using var cipher = new AppCipher([AppCipherTests.NewKey]);
        var (configurationPath, appsPath, layoutPath) = (_folder.File("configuration"), _folder.File("apps"), _folder.File("layout"));
        await using (var before = Server.Open(own))
        {
            await new ConfigurationStore(before, keys, TimeProvider.System).ApplyAsync("room: {gracePeriod: 40s}", 0, "ann", "", default);
            await using var source = await Start(before, keys, configurationPath);
            await using var apps = await EtcdAppDirectory.StartAsync(before, keys, cipher, OnDisk(appsPath), TimeProvider.System, _log, default);
            await apps.SaveAsync(new AppRecord { Id = "shop" }, 0, default);
            await ClusterLayout.StartAsync(before, keys, layoutPath, TimeProvider.System, _log, default);
            await Waiting.Until(() => LastGoodFile.Read(appsPath, keys.Root, out _) is { Content.Length: > 10 }, "the apps are on disk");
        }
        await own.Kill();
        await using var etcd = Server.Open(own);
        await using var late = await Start(etcd, keys, configurationPath);
        Assert.Equal((ConfigurationOrigin.Disk, TimeSpan.FromSeconds(40)), (late.Origin, late.Current.Room.GracePeriod!.Value));
        await using var lateApps = await EtcdAppDirectory.StartAsync(etcd, keys, cipher, OnDisk(appsPath), TimeProvider.System, _log, default);
        Assert.True(lateApps.IsFromDisk);
        Assert.NotNull(lateApps.Find("shop"));
        Assert.Equal(ClusterLayout.Default, await ClusterLayout.StartAsync(etcd, keys, layoutPath, TimeProvider.System, _log, default));
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await lateApps.SaveAsync(new AppRecord { Id = "other" }, 0, default));
        await own.RestartAsync();
        await Waiting.Until(() => late.Origin == ConfigurationOrigin.Etcd && !lateApps.IsFromDisk, "etcd is followed again");
        Assert.NotNull(await lateApps.SaveAsync(new AppRecord { Id = "other" }, 0, default));
    }

    private static AppDirectoryOptions OnDisk(string path) => new() { LastGoodPath = path, StartWait = TimeSpan.FromMilliseconds(200) };

    private Task<ConfigurationSource> Start(IEtcd etcd, ClusterKeys keys, string? path = null) => ConfigurationSource.StartAsync(
        etcd, keys, new ConfigurationSourceOptions { LastGoodPath = path, StartWait = path is null ? Waiting.Limit : TimeSpan.FromMilliseconds(200) },
        TimeProvider.System, _log, default);

    /// <summary>One etcd for the class.</summary>
    public sealed class Server : IAsyncLifetime
    {
        private EtcdServer? _etcd;

        public async ValueTask InitializeAsync() => _etcd = await EtcdServer.StartAsync();

        public EtcdClient Open() => Open(_etcd!);

        public static EtcdClient Open(EtcdServer server) => new(
            new EtcdOptions { Endpoints = [server.Endpoint], CallTimeout = TimeSpan.FromSeconds(2), AttemptTimeout = TimeSpan.FromSeconds(1) },
            TimeProvider.System, NullLogger<EtcdClient>.Instance);

        public ValueTask DisposeAsync() => _etcd!.DisposeAsync();
    }
}
