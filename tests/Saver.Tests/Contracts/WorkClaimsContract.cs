using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>Claims, and the writes of the broadcast log that depend on them. Inherited by each backend.</summary>
public abstract class WorkClaimsContract : WorkSuite
{
    private const string Work = "broadcasts/shop";

    [Fact]
    public async Task Work_of_a_living_owner_stays_with_it_and_that_of_a_dead_one_goes_to_who_asks()
    {
        Assert.Equal(5, await Claims.ClaimAsync(Work, 5, [5], None));
        Assert.Equal(5, await Claims.ClaimAsync(Work, 7, [5, 7], None));
        Assert.Equal(7, await Claims.ClaimAsync(Work, 7, [7], None));
        Assert.Equal(7, await Claims.ClaimAsync(Work, 7, [], None));
    }

    [Fact]
    public async Task An_older_process_takes_over_from_a_newer_one_that_died()
    {
        await Claims.ClaimAsync(Work, 7, [5, 7], None);

        Assert.Equal(7, await Claims.ClaimAsync(Work, 5, [5, 7], None));
        Assert.Equal(5, await Claims.ClaimAsync(Work, 5, [5], None));
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
        await Claims.ClaimAsync("events/shop ", 7, [5, 6, 7], None);
        await Store.ReopenAsync();

        Assert.Equal(5, await Claims.ClaimAsync(Work, 9, [5, 6, 9], None));
        Assert.Equal(6, await Claims.ClaimAsync("events/shop", 9, [5, 6, 9], None));
        Assert.Equal(9, await Claims.ClaimAsync("events/Shop", 9, [5, 6, 9], None));
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
        var record = (await Store.Broadcasts.AppendAsync(new BroadcastDraft(App, PayloadKind.Text, Bytes("x"), null, 0, null), None)).Record!;
        await Assert.ThrowsAsync<FencedException>(async () => await MoveAsync(record, new Fence(Work, 5)));
        await Claims.ClaimAsync(Work, 5, [5], None);
        Assert.Equal(TaskState.Running, (await MoveAsync(record, new Fence(Work, 5)))!.State);
        await ReportAsync(record, 3, new Fence(Work, 5));
        await Claims.ClaimAsync(Work, 6, [6], None);
        await Assert.ThrowsAsync<FencedException>(async () => await ReportAsync(record, 9, new Fence(Work, 5)));
        Assert.Equal(3, await SentAsync(record));
        await ReportAsync(record, 4, new Fence(Work, 6));
        await ReportAsync(record, 5, default);
        await Claims.ReleaseAsync(Work, 6, None);
        await Assert.ThrowsAsync<FencedException>(async () => await ReportAsync(record, 9, new Fence(Work, 6)));

        Assert.Equal(5, await SentAsync(record));
    }

    private async Task<long> SentAsync(BroadcastRecord record) => (await Store.Broadcasts.FindAsync(App, record.Epoch, record.Seq, None))!.Sent;

    private ValueTask<BroadcastRecord?> MoveAsync(BroadcastRecord record, Fence fence) =>
        Store.Broadcasts.MoveAsync(App, record.Epoch, record.Seq, [TaskState.Queued], TaskState.Running, fence, None);

    private ValueTask ReportAsync(BroadcastRecord record, long sent, Fence fence) =>
        Store.Broadcasts.ReportAsync(App, record.Epoch, record.Seq, sent, sent, 0, fence, None);
}
