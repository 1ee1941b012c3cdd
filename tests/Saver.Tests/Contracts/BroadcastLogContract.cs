using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>The broadcast log, its tasks and the users' cursors. Inherited by each backend.</summary>
public abstract class BroadcastLogContract : MailboxSuite
{
    private static readonly TaskState[] AnyState = Enum.GetValues<TaskState>();

    private IBroadcastLog Log => Store.Broadcasts;

    [Fact]
    public async Task A_new_broadcast_waits_and_is_not_released()
    {
        var record = await AppendBroadcastAsync("news", rate: 7);

        Assert.Equal((1, TaskState.Queued, PayloadKind.Text, 4, 7), (record.Seq, record.State, record.Kind, record.PayloadBytes, record.RatePerSecond));
        Assert.Equal((Now, Now + (long)TimeSpan.FromDays(7).TotalMilliseconds), (record.AcceptedAt, record.ExpiresAt));
        Assert.Equal(new StreamPosition(record.Epoch, 0), await Log.ReleasedAsync(App, None));
        Assert.Equal("", Show(await ReadLogAsync(1)));
    }

    [Fact]
    public async Task Running_releases_it()
    {
        await AppendBroadcastAsync("news");
        var record = await MoveAsync(1, TaskState.Running);

        Assert.Equal((TaskState.Running, Now, 0), (record!.State, record.StartedAt, record.FinishedAt));
        Assert.Equal(1, (await Log.ReleasedAsync(App, None)).Seq);
        Assert.Equal("1:news", Show(await ReadLogAsync(1)));
    }

    [Fact]
    public async Task A_waiting_task_holds_those_behind_it()
    {
        await AppendBroadcastAsync("one");
        await AppendBroadcastAsync("two");
        await MoveAsync(2, TaskState.Running);
        Assert.Equal(0, (await Log.ReleasedAsync(App, None)).Seq);
        await MoveAsync(1, TaskState.Cancelled);

        Assert.Equal(2, (await Log.ReleasedAsync(App, None)).Seq);
        Assert.Equal("1!Cancelled 2:two", Show(await ReadLogAsync(1)));
    }

    [Fact]
    public async Task Pausing_takes_the_release_back_until_it_goes_on()
    {
        await AppendBroadcastAsync("one");
        await MoveAsync(1, TaskState.Running);
        await MoveAsync(1, TaskState.Paused);
        Assert.Equal(0, (await Log.ReleasedAsync(App, None)).Seq);
        await MoveAsync(1, TaskState.Running);

        Assert.Equal(1, (await Log.ReleasedAsync(App, None)).Seq);
    }

    [Fact]
    public async Task A_cursor_beyond_a_paused_task_is_not_taken_back()
    {
        var epoch = (await AppendBroadcastAsync("one")).Epoch;
        await OpenBroadcastAsync();
        await MoveAsync(1, TaskState.Running);
        await AckBroadcastAsync(1, epoch);
        await MoveAsync(1, TaskState.Paused);
        var opening = await OpenBroadcastAsync(epoch: epoch, seq: 1);

        Assert.Equal((epoch, 1, 1, ResetReason.None), (opening.Epoch, opening.Seq, opening.Top, opening.Gap));
    }

    [Fact]
    public async Task A_move_from_another_state_changes_nothing_and_shows_the_record()
    {
        await AppendBroadcastAsync("one");
        await MoveAsync(1, TaskState.Cancelled);
        var record = await Log.MoveAsync(App, await LogEpochAsync(), 1, [TaskState.Queued, TaskState.Running], TaskState.Running, default, None);

        Assert.Equal((TaskState.Cancelled, 0), (record!.State, record.StartedAt));
    }

    [Fact]
    public async Task Start_and_finish_are_recorded_once()
    {
        await AppendBroadcastAsync("one");
        var started = Now;
        await MoveAsync(1, TaskState.Running);
        Store.Clock.Advance(TimeSpan.FromSeconds(1));
        await MoveAsync(1, TaskState.Paused);
        await MoveAsync(1, TaskState.Running);
        Store.Clock.Advance(TimeSpan.FromSeconds(1));
        var record = await MoveAsync(1, TaskState.Done);

        Assert.Equal((started, Now), (record!.StartedAt, record.FinishedAt));
    }

    [Fact]
    public async Task Unknown_broadcasts_are_null()
    {
        var epoch = (await AppendBroadcastAsync("one")).Epoch;

        Assert.Null(await MoveAsync(2, TaskState.Running));
        Assert.Null(await Log.MoveAsync("nobody", epoch, 1, AnyState, TaskState.Running, default, None));
        Assert.Null(await Log.FindAsync(App, epoch + 1, 1, None));
        Assert.Null(await Log.FindAsync(App, epoch, 0, None));
        Assert.Null(await Log.SetRateAsync(App, epoch, 2, 1, None));
        Assert.Null(await Log.PayloadAsync(App, epoch, 2, None));
        await Log.ReportAsync(App, epoch, 2, 1, 1, 1, default, None);
    }

    [Fact]
    public async Task Rate_and_counts_are_kept_over_a_restart()
    {
        var epoch = (await AppendBroadcastAsync("one")).Epoch;
        await MoveAsync(1, TaskState.Running);
        await Log.SetRateAsync(App, epoch, 1, 250, None);
        await Log.ReportAsync(App, epoch, 1, 10, 8, 3, default, None);
        var before = await Log.FindAsync(App, epoch, 1, None);
        await Store.ReopenAsync();

        var after = await Log.FindAsync(App, epoch, 1, None);
        Assert.Equal(before, after);
        Assert.Equal((250, 10, 8, 3), (after!.RatePerSecond, after.Targeted, after.Sent, after.Offline));
        Assert.Equal(Bytes("one"), (await Log.PayloadAsync(App, epoch, 1, None))!.Value.ToArray());
        Assert.Equal(new StreamPosition(epoch, 1), await Log.ReleasedAsync(App, None));
    }

    [Fact]
    public async Task A_list_is_newest_first_and_pages()
    {
        for (var i = 1; i <= 5; i++)
            await AppendBroadcastAsync($"{i}");

        Assert.Equal([5, 4], (await Log.ListAsync(App, 0, 2, None)).Select(record => record.Seq));
        Assert.Equal([3, 2], (await Log.ListAsync(App, 4, 2, None)).Select(record => record.Seq));
        Assert.Equal([1], (await Log.ListAsync(App, 2, 2, None)).Select(record => record.Seq));
        Assert.Empty(await Log.ListAsync("nobody", 0, 2, None));
    }

    [Fact]
    public async Task Unfinished_ones_of_all_apps_are_oldest_first()
    {
        await SetLimitsAsync(new AppLimits(), "other");
        await AppendBroadcastAsync("done");
        await AppendBroadcastAsync("runs");
        Store.Clock.Advance(TimeSpan.FromSeconds(1));
        await AppendBroadcastAsync("theirs", app: "other");
        Store.Clock.Advance(TimeSpan.FromSeconds(1));
        await AppendBroadcastAsync("waits");
        await MoveAsync(1, TaskState.Done);
        await MoveAsync(2, TaskState.Running);
        await Store.ReopenAsync();

        Assert.Equal([(App, 2), ("other", 1), (App, 3)], (await Log.UnfinishedAsync(None)).Select(record => (record.App, record.Seq)));
    }

    [Fact]
    public async Task A_read_keeps_to_its_bounds_but_gives_at_least_one()
    {
        for (var i = 1; i <= 3; i++)
        {
            await AppendBroadcastAsync($"{i}{i}{i}{i}");
            await MoveAsync(i, TaskState.Running);
        }

        Assert.Equal("1:1111 2:2222", Show(await ReadLogAsync(1, maxMessages: 2)));
        Assert.Equal("1:1111 2:2222", Show(await ReadLogAsync(1, maxBytes: 11)));
        Assert.Equal("3:3333", Show(await ReadLogAsync(3, maxBytes: 1)));
        Assert.Equal(3, (await ReadLogAsync(1, maxMessages: 1)).Top);
    }

    [Fact]
    public async Task A_read_of_another_epoch_is_empty()
    {
        var epoch = (await AppendBroadcastAsync("one")).Epoch;
        await MoveAsync(1, TaskState.Running);
        var reply = await Log.ReadAsync(App, epoch + 1, 1, 10, 1_000, None);

        Assert.Equal(epoch, reply.Epoch);
        Assert.Empty(reply.Entries);
    }

    [Fact]
    public async Task Expired_broadcasts_are_told_as_a_gap_before_and_after_their_removal()
    {
        await AppendBroadcastAsync("brief", ttl: TimeSpan.FromSeconds(1));
        await AppendBroadcastAsync("long");
        await MoveAsync(1, TaskState.Done);
        await MoveAsync(2, TaskState.Done);
        var epoch = await LogEpochAsync();
        Store.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("1!Expired 2:long", Show(await ReadLogAsync(1)));
        await Store.SweepAsync();
        Assert.Null(await Log.PayloadAsync(App, epoch, 1, None));
        Assert.NotNull(await Log.FindAsync(App, epoch, 1, None));
        Store.Clock.Advance(TimeSpan.FromHours(25));
        await Store.SweepAsync();

        Assert.Null(await Log.FindAsync(App, epoch, 1, None));
        Assert.Equal("1!Expired 2:long", Show(await ReadLogAsync(1)));
        await Store.ReopenAsync();
        Assert.Equal("1!Expired 2:long", Show(await ReadLogAsync(1)));
        Assert.Equal(3, (await AppendBroadcastAsync("next")).Seq);
    }

    [Fact]
    public async Task A_task_that_is_not_finished_is_never_removed()
    {
        await AppendBroadcastAsync("brief", ttl: TimeSpan.FromSeconds(1));
        Store.Clock.Advance(TimeSpan.FromDays(30));
        await Store.SweepAsync();

        Assert.NotNull(await Log.FindAsync(App, await LogEpochAsync(), 1, None));
        Assert.NotNull(await Log.PayloadAsync(App, await LogEpochAsync(), 1, None));
    }

    [Fact]
    public async Task A_log_that_was_removed_entirely_goes_on_with_its_numbers()
    {
        await AppendBroadcastAsync("brief", ttl: TimeSpan.FromSeconds(1));
        await MoveAsync(1, TaskState.Done);
        Store.Clock.Advance(TimeSpan.FromDays(2));
        await Store.SweepAsync();
        await Store.SweepAsync();
        await Store.ReopenAsync();

        Assert.Equal(1, (await Log.ReleasedAsync(App, None)).Seq);
        Assert.Equal("1!Expired", Show(await ReadLogAsync(1)));
        Assert.Equal(2, (await AppendBroadcastAsync("next")).Seq);
    }

    [Fact]
    public async Task A_repeated_request_gives_the_same_broadcast()
    {
        var claim = new IdempotencyClaim("key", Fingerprint(1));
        var first = await AppendBroadcastAsync("one", claim: claim);
        await Store.ReopenAsync();
        var again = await Log.AppendAsync(new BroadcastDraft(App, PayloadKind.Text, Bytes("one"), null, 0, claim), None);

        Assert.Equal(WriteStatus.Replayed, again.Status);
        Assert.Equal(first, again.Record);
        Assert.Single(await Log.ListAsync(App, 0, 10, None));
    }

    [Fact]
    public async Task Another_request_under_the_same_key_is_a_conflict()
    {
        await AppendBroadcastAsync("one", claim: new IdempotencyClaim("key", Fingerprint(1)));
        var other = await Log.AppendAsync(
            new BroadcastDraft(App, PayloadKind.Text, Bytes("two"), null, 0, new IdempotencyClaim("key", Fingerprint(2))), None);
        var mailbox = await AppendAsync([Draft("ann", "a")], new IdempotencyClaim("key", Fingerprint(1)));

        Assert.Equal((WriteStatus.Conflict, null), (other.Status, other.Record));
        Assert.Equal(WriteStatus.Conflict, mailbox.Status);
        Assert.Single(await Log.ListAsync(App, 0, 10, None));
    }

    [Fact]
    public async Task A_new_users_cursor_begins_at_the_end_and_stays_there()
    {
        var epoch = (await AppendBroadcastAsync("old")).Epoch;
        await MoveAsync(1, TaskState.Done);
        var first = await OpenBroadcastAsync();
        await AppendBroadcastAsync("new");
        await MoveAsync(2, TaskState.Done);
        await Store.ReopenAsync();
        var later = await OpenBroadcastAsync();

        Assert.Equal((epoch, 1, 1, ResetReason.None), (first.Epoch, first.Seq, first.Top, first.Gap));
        Assert.Equal((epoch, 1, 2, ResetReason.None), (later.Epoch, later.Seq, later.Top, later.Gap));
    }

    [Fact]
    public async Task A_message_before_the_first_opening_does_not_create_the_cursor()
    {
        await SendAsync("ann", "hello");
        await AppendBroadcastAsync("old");
        await MoveAsync(1, TaskState.Done);
        Assert.Equal(0, await Log.KnownUsersAsync(App, None));

        Assert.Equal(1, (await OpenBroadcastAsync()).Seq);
        Assert.Equal(1, await Log.KnownUsersAsync(App, None));
    }

    [Fact]
    public async Task Cancelled_and_expired_broadcasts_are_passed_over_at_the_opening()
    {
        await OpenBroadcastAsync();
        await AppendBroadcastAsync("brief", ttl: TimeSpan.FromSeconds(1));
        await AppendBroadcastAsync("cancelled");
        await AppendBroadcastAsync("news");
        await MoveAsync(1, TaskState.Done);
        await MoveAsync(2, TaskState.Cancelled);
        await MoveAsync(3, TaskState.Done);
        Store.Clock.Advance(TimeSpan.FromSeconds(1));
        var opening = await OpenBroadcastAsync();

        Assert.Equal((2, 3), (opening.Seq, opening.Top));
        Assert.NotEqual(ResetReason.None, opening.Gap);
    }

    [Fact]
    public async Task Acknowledgements_move_the_cursor_and_are_counted_once_per_user()
    {
        var epoch = (await AppendBroadcastAsync("one")).Epoch;
        await AppendBroadcastAsync("two");
        await AppendBroadcastAsync("cancelled");
        foreach (var user in (string[])["ann", "bob"])
            await OpenBroadcastAsync(user);
        await MoveAsync(1, TaskState.Running);
        await MoveAsync(2, TaskState.Running);
        await MoveAsync(3, TaskState.Cancelled);
        await AckBroadcastAsync(1, epoch);
        await AckBroadcastAsync(1, epoch);
        await AckBroadcastAsync(3, epoch);
        await AckBroadcastAsync(2, epoch);
        await AckBroadcastAsync(2, epoch, "bob");
        await AckBroadcastAsync(99, epoch, "bob");
        await AckBroadcastAsync(3, epoch + 1, "bob");
        await Store.ReopenAsync();

        Assert.Equal([2, 2, 0], (await Log.ListAsync(App, 0, 10, None)).Reverse().Select(record => record.Acked));
        Assert.Equal(3, (await OpenBroadcastAsync()).Seq);
        Assert.Equal(3, (await OpenBroadcastAsync("bob")).Seq);
    }

    [Fact]
    public async Task The_clients_broadcast_position_counts_as_an_acknowledgement()
    {
        var epoch = (await AppendBroadcastAsync("one")).Epoch;
        await OpenBroadcastAsync();
        await MoveAsync(1, TaskState.Done);

        Assert.Equal(1, (await OpenBroadcastAsync(epoch: epoch, seq: 1)).Seq);
        await Store.ReopenAsync();
        Assert.Equal(1, (await Log.FindAsync(App, epoch, 1, None))!.Acked);
    }

    [Theory]
    [InlineData(0, 9)]
    [InlineData(5, 0)]
    public async Task A_broadcast_position_that_cannot_be_is_told_as_loss_and_leaves_the_log_alone(uint epochAhead, long seq)
    {
        var epoch = (await AppendBroadcastAsync("one")).Epoch;
        await OpenBroadcastAsync();
        await MoveAsync(1, TaskState.Done);
        var opening = await OpenBroadcastAsync(epoch: epoch + epochAhead, seq: seq);

        Assert.Equal((epoch, 0, 1, ResetReason.DataLoss), (opening.Epoch, opening.Seq, opening.Top, opening.Gap));
        Assert.Equal(epoch, (await Log.ReleasedAsync(App, None)).Epoch);
    }

    [Fact]
    public async Task Bad_input_is_refused_with_the_fields_name()
    {
        await SetLimitsAsync(new AppLimits { PayloadBytes = 3 });
        async Task Refused(string field, BroadcastDraft draft) =>
            Assert.Contains(field, (await Assert.ThrowsAsync<ArgumentException>(() => Log.AppendAsync(draft, None).AsTask())).Message);

        await Refused("payload", new BroadcastDraft(App, PayloadKind.Text, Bytes("four"), null, 0, null));
        await Refused("ratePerSecond", new BroadcastDraft(App, PayloadKind.Text, Bytes("a"), null, -1, null));
        await Refused("timeToLive", new BroadcastDraft(App, PayloadKind.Text, Bytes("a"), TimeSpan.Zero, 0, null));
        await Refused("app", new BroadcastDraft("nobody", PayloadKind.Text, Bytes("a"), null, 0, null));
        Assert.Empty(await Log.ListAsync(App, 0, 10, None));
    }

    private async Task<BroadcastRecord> AppendBroadcastAsync(
        string text, TimeSpan? ttl = null, int rate = 0, IdempotencyClaim? claim = null, string app = App)
    {
        var reply = await Log.AppendAsync(new BroadcastDraft(app, PayloadKind.Text, Bytes(text), ttl, rate, claim), None);
        Assert.Equal(WriteStatus.Stored, reply.Status);
        return reply.Record!;
    }

    private async Task<uint> LogEpochAsync() => (await Log.ReleasedAsync(App, None)).Epoch;

    private async Task<BroadcastRecord?> MoveAsync(long seq, TaskState next) =>
        await Log.MoveAsync(App, await LogEpochAsync(), seq, AnyState, next, default, None);

    private async Task<ReadReply> ReadLogAsync(long from, int maxMessages = 100, int maxBytes = 10_000) =>
        await Log.ReadAsync(App, await LogEpochAsync(), from, maxMessages, maxBytes, None);

    private async Task AckBroadcastAsync(long seq, uint epoch, string user = "ann") =>
        await Mailboxes.AckAsync([new AckEntry(User(user), StreamKind.Broadcast, epoch, seq)], None);
}
