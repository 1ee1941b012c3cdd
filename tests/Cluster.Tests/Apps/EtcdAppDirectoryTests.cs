using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Apps;
using PushSystem.Cluster.Tests.Configuration;
using PushSystem.Contracts;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Apps;

public sealed class EtcdAppDirectoryTests : IDisposable
{
    private static readonly ClusterKeys Keys = new("test");

    private readonly MemoryEtcd _etcd = new();
    private readonly FakeClock _clock = new();
    private readonly LogLines _log = new();
    private readonly TempFolder _folder = new();
    private readonly AppCipher _cipher = new([AppCipherTests.NewKey]);

    public void Dispose()
    {
        _cipher.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_saved_app_is_found_by_id_and_key_here_and_elsewhere()
    {
        await using var one = await Start();
        await using var two = await Start();
        var saved = await one.SaveAsync(App("shop", keys: "k1"), 0, default);
        Assert.NotNull(saved);
        Assert.Equal(_etcd.Revision, saved.Revision);
        foreach (var directory in new[] { one, two })
        {
            Assert.Equal(saved.Revision, directory.Find("shop")!.Revision);
            Assert.Equal("shop", directory.FindByApiKeyHash(Hash("k1"))!.Id);
            Assert.Null(directory.FindByApiKeyHash(Hash("k2")));
            Assert.Null(directory.FindByApiKeyHash(Hash("k1").AsSpan(1)));
            Assert.Null(directory.Find("shop2"));
        }
    }

    [Fact]
    public async Task Etcd_holds_no_readable_secret()
    {
        await using var directory = await Start();
        await directory.SaveAsync(App("shop") with { Name = "Corner shop" }, 0, default);
        var stored = (await _etcd.GetAsync(Keys.Apps + "shop", default))!.Value;
        Assert.Equal(-1, stored.Span.IndexOf("Corner"u8));
    }

    [Fact]
    public async Task All_are_ordered_by_id()
    {
        await using var directory = await Start();
        foreach (var id in new[] { "b", "a.c", "a-c", "c", "a" })
            await directory.SaveAsync(App(id), 0, default);
        Assert.Equal(["a", "a-c", "a.c", "b", "c"], directory.All.Select(app => app.Id));
    }

    [Fact]
    public async Task A_wrong_revision_changes_nothing()
    {
        await using var directory = await Start();
        var first = (await directory.SaveAsync(App("shop"), 0, default))!;
        Assert.Null(await directory.SaveAsync(App("shop") with { Name = "again" }, 0, default));
        Assert.Null(await directory.SaveAsync(App("shop") with { Name = "again" }, first.Revision + 1, default));
        Assert.Null(await directory.SaveAsync(App("other"), 1, default));
        Assert.Equal("", directory.Find("shop")!.Name);
        var second = await directory.SaveAsync(App("shop") with { Name = "again" }, first.Revision, default);
        Assert.True(second!.Revision > first.Revision);
        Assert.Null(await directory.SaveAsync(App("shop"), first.Revision, default));
    }

    [Fact]
    public async Task Of_two_savers_one_wins_and_the_other_sees_the_winner()
    {
        await using var one = await Start();
        await using var two = await Start();
        var revision = (await one.SaveAsync(App("shop"), 0, default))!.Revision;
        Task<AppRecord?>? other = null;
        _etcd.IsWatchHeld = true;
        _etcd.BeforeCommit = () => other = two.SaveAsync(App("shop") with { Name = "two" }, revision, default).AsTask();
        Assert.Null(await one.SaveAsync(App("shop") with { Name = "one" }, revision, default));
        Assert.NotNull(await other!);
        Assert.Equal("two", one.Find("shop")!.Name);
    }

    [Fact]
    public async Task An_own_write_is_read_before_the_watch_brings_it_and_told_once()
    {
        await using var directory = await Start();
        var told = new List<string>();
        directory.Changed += told.Add;
        _etcd.IsWatchHeld = true;
        var saved = await directory.SaveAsync(App("shop", keys: "k1"), 0, default);
        Assert.Equal(saved!.Revision, directory.Find("shop")!.Revision);
        Assert.Equal("shop", directory.FindByApiKeyHash(Hash("k1"))!.Id);
        _etcd.IsWatchHeld = false;
        Assert.Equal(["shop"], told);
    }

    [Fact]
    public async Task An_older_snapshot_does_not_undo_an_own_write()
    {
        await using var directory = await Start();
        await using var other = await Start();
        await directory.SaveAsync(App("old"), 0, default);
        // The watch is behind: it brings what was there before the own writes.
        var mirror = new HeldEtcd(_etcd);
        await using var late = await Start(mirror);
        var first = (await late.SaveAsync(App("new"), 0, default))!;
        var changed = (await late.SaveAsync(App("old") with { Name = "changed" }, directory.Find("old")!.Revision, default))!;
        mirror.Tell(first.Revision - 1, (await _etcd.ListAsync(Keys.Apps, default)).Entries.Where(entry => entry.ModRevision < first.Revision));
        Assert.Equal(first.Revision, late.Find("new")!.Revision);
        Assert.Equal(changed.Revision, late.Find("old")!.Revision);
        // And when it has caught up, what it does not show is gone.
        mirror.Tell(changed.Revision + 1, (await _etcd.ListAsync(Keys.Apps, default)).Entries.Where(entry => entry.Key == Keys.Apps + "old"));
        Assert.Null(late.Find("new"));
        Assert.Equal("changed", late.Find("old")!.Name);
    }

    [Fact]
    public async Task Any_writer_and_any_removal_is_told()
    {
        await using var one = await Start();
        await using var two = await Start();
        var told = new List<string>();
        two.Changed += id => told.Add($"{id} {two.Find(id)?.Name}");
        var revision = (await one.SaveAsync(App("shop") with { Name = "first" }, 0, default))!.Revision;
        await one.SaveAsync(App("shop") with { Name = "second" }, revision, default);
        _etcd.Delete(Keys.Apps + "shop");
        Assert.Equal(["shop first", "shop second", "shop "], told);
    }

    [Fact]
    public async Task One_app_that_cannot_be_read_is_left_out_and_the_others_stay()
    {
        await using var writer = await Start();
        await writer.SaveAsync(App("a"), 0, default);
        await writer.SaveAsync(App("c"), 0, default);
        _etcd.Put(Keys.Apps + "b", "not sealed at all, but long enough for it"u8);
        _etcd.Put(Keys.Apps + "moved", (await _etcd.GetAsync(Keys.Apps + "a", default))!.Value.Span);
        _etcd.Put(Keys.Apps + "json", _cipher.Seal("json", "{\"name\":"u8));
        _etcd.Put(Keys.Apps + "Bad Id", _cipher.Seal("Bad Id", "{}"u8));
        await using var directory = await Start();
        Assert.Equal(["a", "c"], directory.All.Select(app => app.Id));
        Assert.Equal(4, _log.Of(LogLevel.Error).Select(line => line.Split('\'')[1]).Distinct().Count());
        // Mended, it is there.
        _etcd.Put(Keys.Apps + "b", _cipher.Seal("b", AppRecordJson.Write(App("b"))));
        Assert.NotNull(directory.Find("b"));
    }

    [Fact]
    public async Task A_new_version_that_cannot_be_read_leaves_the_one_before()
    {
        await using var directory = await Start();
        await directory.SaveAsync(App("shop") with { Name = "good" }, 0, default);
        using var foreign = new AppCipher([AppCipherTests.OldKey]);
        _etcd.Put(Keys.Apps + "shop", foreign.Seal("shop", AppRecordJson.Write(App("shop"))));
        Assert.Equal("good", directory.Find("shop")!.Name);
        Assert.Contains("does not have", Assert.Single(_log.Of(LogLevel.Error)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invalid_apps_and_foreign_keys_are_refused()
    {
        await using var directory = await Start();
        await directory.SaveAsync(App("shop", keys: "k1"), 0, default);
        await Assert.ThrowsAsync<ArgumentException>(async () => await directory.SaveAsync(App("Shop"), 0, default));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await directory.SaveAsync(App("a"), -1, default));
        var refusal = await Assert.ThrowsAsync<ArgumentException>(async () => await directory.SaveAsync(App("other", keys: "k1"), 0, default));
        Assert.Contains("belongs to another app", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_write_whose_answer_was_lost_is_found_done()
    {
        await using var directory = await Start();
        _etcd.LoseNextReply = true;
        var saved = await directory.SaveAsync(App("shop"), 0, default);
        Assert.Equal(_etcd.Revision, saved!.Revision);
    }

    [Fact]
    public async Task A_store_that_is_away_or_refuses_is_told_as_such_and_reads_go_on()
    {
        await using var directory = await Start();
        await directory.SaveAsync(App("shop"), 0, default);
        _etcd.RefuseWrites = true;
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await directory.SaveAsync(App("other"), 0, default));
        _etcd.IsAway = true;
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await directory.SaveAsync(App("other"), 0, default));
        Assert.NotNull(directory.Find("shop"));
        Assert.Null(directory.Find("other"));
    }

    [Fact]
    public async Task A_node_starts_with_the_apps_of_its_disk_while_etcd_is_away()
    {
        await using (var before = await Start(onDisk: true))
            await before.SaveAsync(App("shop", keys: "k1") with { Name = "Corner shop" }, 0, default);
        Assert.Equal(-1, File.ReadAllBytes(_folder.File("apps.last")).AsSpan().IndexOf("Corner"u8));
        _etcd.IsAway = true;
        await using var directory = await StartAway();
        Assert.True(directory.IsFromDisk);
        Assert.Equal("shop", directory.FindByApiKeyHash(Hash("k1"))!.Id);
        Assert.Contains("started with 1 apps", Assert.Single(_log.Of(LogLevel.Warning)), StringComparison.Ordinal);
        var told = new List<string>();
        directory.Changed += told.Add;
        _etcd.IsAway = false;
        Assert.False(directory.IsFromDisk);
        Assert.Empty(told);
    }

    [Fact]
    public async Task After_a_start_from_disk_etcd_counts_even_if_it_was_restored()
    {
        await using (var before = await Start(onDisk: true))
        {
            foreach (var id in new[] { "a", "b", "c" })
                await before.SaveAsync(App(id), 0, default);
        }
        _etcd.IsAway = true;
        await using var directory = await StartAway();
        _etcd.Wipe();
        _etcd.Put(Keys.Apps + "c", _cipher.Seal("c", AppRecordJson.Write(App("c") with { Name = "restored" })));
        _etcd.IsAway = false;
        Assert.Equal(["c"], directory.All.Select(app => app.Id));
        Assert.Equal("restored", directory.Find("c")!.Name);
    }

    [Fact]
    public async Task Without_etcd_and_disk_the_start_waits()
    {
        _etcd.IsAway = true;
        var starting = EtcdAppDirectory.StartAsync(_etcd, Keys, _cipher, new AppDirectoryOptions(), _clock, _log, default);
        _clock.Advance(TimeSpan.FromSeconds(5));
        await Waiting.Until(() => _log.Of(LogLevel.Warning).Count == 1, "the directory says that it waits");
        Assert.False(starting.IsCompleted);
        _etcd.IsAway = false;
        await (await Waiting.For(starting, "the start after etcd came back")).DisposeAsync();
    }

    [Fact]
    public async Task A_cluster_key_is_replaced_without_losing_an_app()
    {
        using var old = new AppCipher([AppCipherTests.OldKey]);
        using var both = new AppCipher([AppCipherTests.NewKey, AppCipherTests.OldKey]);
        await using (var before = await Start(cipher: old))
        {
            await before.SaveAsync(App("a"), 0, default);
            await before.SaveAsync(App("b"), 0, default);
        }
        await using (var during = await Start(cipher: both))
        {
            Assert.Equal(2, during.All.Count);
            await during.SaveAsync(App("b") with { Name = "changed" }, during.Find("b")!.Revision, default);
            Assert.Equal(1, await new AppStore(_etcd, Keys, both).SealAnewAsync(default));
            Assert.Equal(0, await new AppStore(_etcd, Keys, both).SealAnewAsync(default));
        }
        await using var after = await Start();
        Assert.Equal(["a", "b"], after.All.Select(app => app.Id));
        Assert.Equal("changed", after.Find("b")!.Name);
    }

    [Fact]
    public async Task A_key_held_by_two_apps_counts_for_the_first()
    {
        foreach (var id in new[] { "b", "a" })
            _etcd.Put(Keys.Apps + id, _cipher.Seal(id, AppRecordJson.Write(App(id, keys: "k1"))));
        await using var directory = await Start();
        Assert.Equal("a", directory.FindByApiKeyHash(Hash("k1"))!.Id);
        Assert.Contains("'a' and 'b'", Assert.Single(_log.Of(LogLevel.Error)), StringComparison.Ordinal);
    }

    private Task<EtcdAppDirectory> Start(PushSystem.Cluster.Etcd.IEtcd? etcd = null, AppCipher? cipher = null, bool onDisk = false) =>
        EtcdAppDirectory.StartAsync(
            etcd ?? _etcd, Keys, cipher ?? _cipher, new AppDirectoryOptions { LastGoodPath = onDisk ? _folder.File("apps.last") : null }, _clock, _log, default);

    private async Task<EtcdAppDirectory> StartAway()
    {
        var starting = Start(onDisk: true);
        _clock.Advance(TimeSpan.FromSeconds(5));
        return await Waiting.For(starting, "the start from disk");
    }

    private static byte[] Hash(string key) => SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(key));

    private static AppRecord App(string id, params string[] keys) => new()
    {
        Id = id,
        CreatedAt = 1_767_268_800_000,
        ApiKeys = [.. keys.Select(key => new ApiKey(key, Hash(key), 1))],
        TicketKeys = [new AppTicketKey(1, RandomNumberGenerator.GetBytes(32), 1)],
    };
}
