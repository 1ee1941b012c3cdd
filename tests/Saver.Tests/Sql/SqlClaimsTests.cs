using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Sql;

/// <summary>Claims over SQLite, and the writes of the broadcast log that depend on them.</summary>
public sealed class SqlClaimsTests : IAsyncLifetime
{
    private const string App = "shop", Work = "broadcasts/shop";

    private SqlStoreUnderTest _store = null!;

    private static CancellationToken None => CancellationToken.None;

    private IWorkClaims Claims => _store.Claims;

    public async ValueTask InitializeAsync()
    {
        _store = await SqlStoreUnderTest.OpenAsync();
        await _store.Apps.SaveAsync(new AppRecord { Id = App }, 0, None);
    }

    public async ValueTask DisposeAsync() => await _store.DisposeAsync();

    [Fact]
    public async Task Work_of_a_living_owner_stays_with_it_and_that_of_a_dead_one_goes_to_who_asks()
    {
        Assert.Equal(5, await Claims.ClaimAsync(Work, 5, [5], None));
        Assert.Equal(5, await Claims.ClaimAsync(Work, 7, [5, 7], None));
        Assert.Equal(7, await Claims.ClaimAsync(Work, 7, [7], None));
        Assert.Equal(7, await Claims.ClaimAsync(Work, 7, [], None));
    }

    [Fact]
    public async Task An_older_process_never_takes_work_from_a_newer_one()
    {
        await Claims.ClaimAsync(Work, 7, [7], None);
        Assert.Equal(7, await Claims.ClaimAsync(Work, 5, [5], None));
    }

    [Fact]
    public async Task Only_the_owner_releases_and_then_anybody_may_claim()
    {
        await Claims.ClaimAsync(Work, 5, [5, 3], None);
        await Claims.ReleaseAsync(Work, 4, None);
        Assert.Equal(5, await Claims.ClaimAsync(Work, 3, [5, 3], None));
        await Claims.ReleaseAsync(Work, 5, None);
        await Claims.ReleaseAsync(Work, 5, None);
        Assert.Equal(3, await Claims.ClaimAsync(Work, 3, [5, 3], None));
    }

    [Fact]
    public async Task Claims_of_different_work_are_independent_and_outlive_the_process()
    {
        await Claims.ClaimAsync(Work, 5, [5], None);
        await Claims.ClaimAsync("events/shop", 6, [5, 6], None);
        await _store.CrashAsync();
        Assert.Equal((5L, 6L), (await Claims.ClaimAsync(Work, 9, [5, 6, 9], None), await Claims.ClaimAsync("events/shop", 9, [5, 6, 9], None)));
    }

    [Fact]
    public async Task Of_many_that_claim_at_once_exactly_one_owns()
    {
        var live = Enumerable.Range(1, 50).Select(token => (long)token).ToArray();
        var owners = await Task.WhenAll(live.Select(token => Task.Run(() => Claims.ClaimAsync(Work, token, live, None).AsTask())));
        Assert.Single(owners.Distinct());
    }

    [Fact]
    public async Task Names_and_tokens_that_cannot_be_are_refused()
    {
        await Assert.ThrowsAsync<ArgumentException>(async () => await Claims.ClaimAsync("", 1, [], None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Claims.ClaimAsync(new string('x', 256), 1, [], None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Claims.ClaimAsync(Work, 0, [], None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Claims.ReleaseAsync(Work, -1, None));
    }

    [Fact]
    public async Task A_fenced_write_needs_its_claim_and_changes_nothing_without()
    {
        var record = (await _store.Broadcasts.AppendAsync(new BroadcastDraft(App, PayloadKind.Text, "x"u8.ToArray(), null, 0, null), None)).Record!;
        await Assert.ThrowsAsync<FencedException>(async () => await MoveAsync(record, new Fence(Work, 5)));
        await Claims.ClaimAsync(Work, 5, [5], None);
        Assert.Equal(TaskState.Running, (await MoveAsync(record, new Fence(Work, 5)))!.State);
        await ReportAsync(record, 3, new Fence(Work, 5));
        await Claims.ClaimAsync(Work, 6, [6], None);
        await Assert.ThrowsAsync<FencedException>(async () => await ReportAsync(record, 9, new Fence(Work, 5)));
        Assert.Equal(3, (await _store.Broadcasts.FindAsync(App, record.Epoch, record.Seq, None))!.Sent);
        await ReportAsync(record, 4, new Fence(Work, 6));
        await ReportAsync(record, 5, default);
        await Claims.ReleaseAsync(Work, 6, None);
        await Assert.ThrowsAsync<FencedException>(async () => await ReportAsync(record, 9, new Fence(Work, 6)));
        Assert.Equal(5, (await _store.Broadcasts.FindAsync(App, record.Epoch, record.Seq, None))!.Sent);
    }

    private ValueTask<BroadcastRecord?> MoveAsync(BroadcastRecord record, Fence fence) =>
        _store.Broadcasts.MoveAsync(App, record.Epoch, record.Seq, [TaskState.Queued], TaskState.Running, fence, None);

    private ValueTask ReportAsync(BroadcastRecord record, long sent, Fence fence) =>
        _store.Broadcasts.ReportAsync(App, record.Epoch, record.Seq, sent, sent, 0, fence, None);
}
