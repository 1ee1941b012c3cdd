using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Sql;
using PushSystem.TestSupport;

namespace PushSystem.Saver.Tests.Sql;

/// <summary>What survives the death of the process, full disks and failed commits.</summary>
public sealed class DurabilityTests : IAsyncLifetime
{
    private const string App = "shop";

    private SqlStoreUnderTest _store = null!;

    private static CancellationToken None => CancellationToken.None;

    public async ValueTask InitializeAsync() => _store = await OpenAsync();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    [Fact]
    public async Task What_was_answered_is_on_disk()
    {
        await SendAsync("ann", 3);
        await _store.Events.AppendAsync([new EventDraft(new UserKey(App, "ann"), "t", "k", 1, new byte[3])], None);
        await _store.Broadcasts.AppendAsync(new BroadcastDraft(App, PayloadKind.Text, new byte[4], null, 0, null), None);
        await _store.Facts.SetAsync("s", [new("k", new byte[5])], None);
        await _store.CrashAsync();

        Assert.Equal(3, await TopAsync("ann"));
        Assert.Equal(new EventBacklog(App, 1, 3), (await _store.Events.BacklogAsync(None)).Single());
        Assert.Equal(4, (await _store.Broadcasts.ListAsync(App, 0, 10, None)).Single().PayloadBytes);
        Assert.Equal(5, (await _store.Facts.GetAsync("s", "k", None))!.Value.Length);
    }

    [Fact]
    public async Task A_first_opening_is_on_disk_when_it_is_answered()
    {
        await _store.Mailboxes.OpenAsync([new OpenRequest(new UserKey(App, "ann"), default, default)], None);
        await _store.CrashAsync();

        Assert.Equal(1, await _store.Broadcasts.KnownUsersAsync(App, None));
    }

    [Fact]
    public async Task A_new_epoch_is_on_disk_when_it_is_answered()
    {
        await SendAsync("ann", 1);
        var before = await PositionAsync("ann");
        await _store.Mailboxes.OpenAsync([new OpenRequest(new UserKey(App, "ann"), default, default)], None);
        await _store.Mailboxes.OpenAsync([new OpenRequest(new UserKey(App, "ann"), before with { Seq = 9 }, default)], None);
        await _store.CrashAsync();

        Assert.Equal(before.Epoch + 1, (await PositionAsync("ann")).Epoch);
    }

    [Fact]
    public async Task A_crash_loses_acknowledgements_at_most_and_never_a_message()
    {
        await SendAsync("ann", 5);
        await _store.FlushAsync();
        var copy = _store.CopyFiles();
        await AckAsync("ann", 5);
        Assert.Equal(5, (await _store.Mailboxes.SummaryAsync(new UserKey(App, "ann"), None))!.Acked);

        await using var old = await OpenCopyAsync(copy);
        var summary = (await old.Mailboxes.SummaryAsync(new UserKey(App, "ann"), None))!;
        Assert.Equal((0, 5, 5), (summary.Acked, summary.Top, summary.PendingMessages));
    }

    [Fact]
    public async Task Everything_answered_before_a_crash_under_load_is_there_without_holes()
    {
        const int Writers = 16;
        var answered = new long[Writers];
        using var stop = new CancellationTokenSource();
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var writers = Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await SendAsync($"user{writer}", 3);
                if (Interlocked.Add(ref answered[writer], 3) >= 90)
                    enough.TrySetResult();
            }
        })).ToArray();
        await Waiting.For(enough.Task, "90 messages of one writer");
        var before = answered.Select((_, writer) => Volatile.Read(ref answered[writer])).ToArray();
        var copy = _store.CopyFiles();
        await stop.CancelAsync();
        await Waiting.For(Task.WhenAll(writers), "writers end");

        await using var crashed = await OpenCopyAsync(copy);
        for (var writer = 0; writer < Writers; writer++)
        {
            var key = new UserKey(App, $"user{writer}");
            var position = (await crashed.Mailboxes.PositionsAsync([key], None))[0];
            Assert.True(position.Seq >= before[writer], $"user{writer}: {before[writer]} were answered, {position.Seq} are there");
            Assert.True(position.Seq % 3 == 0, "an append was torn apart");
            var summary = (await crashed.Mailboxes.SummaryAsync(key, None))!;
            Assert.Equal(Math.Min(1_000, position.Seq), summary.PendingMessages);
        }
    }

    [Fact]
    public async Task Disposing_commits_what_is_queued()
    {
        var sends = Enumerable.Range(0, 200).Select(i => SendAsync($"user{i}", 1)).ToArray();
        await _store.ReopenAsync();
        await Waiting.For(Task.WhenAll(sends), "queued appends are answered");

        for (var i = 0; i < sends.Length; i++)
            Assert.Equal(1, await TopAsync($"user{i}"));
    }

    [Fact]
    public async Task After_disposal_writes_are_refused()
    {
        var store = _store.Store;
        await store.DisposeAsync();

        await Assert.ThrowsAsync<StoreUnavailableException>(() => SendAsync("ann", 1));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => _store.Facts.GetAsync("s", "k", None).AsTask());
    }

    [Theory]
    [InlineData(13)] // full
    [InlineData(10)] // I/O error
    public async Task A_failed_commit_changes_nothing_and_the_store_goes_on(int code)
    {
        await SendAsync("ann", 2);
        await AckAsync("ann", 1);
        await _store.FlushAsync();
        var fail = true;
        _store.Store.Writer.BeforeCommit = () =>
        {
            if (Volatile.Read(ref fail))
                throw new SqliteFailureException(code, "injected");
        };
        var appends = Enumerable.Range(0, 20).Select(_ => SendAsync("ann", 3)).Append(SendAsync("new", 1)).ToArray();
        foreach (var append in appends)
            await Assert.ThrowsAsync<StoreUnavailableException>(() => append);
        Assert.Equal(2, await TopAsync("ann"));
        Assert.Equal(0, await TopAsync("new"));
        Volatile.Write(ref fail, false);
        _store.Clock.Advance(TimeSpan.FromSeconds(5));

        var results = (await SendAsync("ann", 2)).Results;
        Assert.Equal([3, 4], results.Select(result => result.Seq));
        var summary = (await _store.Mailboxes.SummaryAsync(new UserKey(App, "ann"), None))!;
        Assert.Equal((1, 4, 3), (summary.Acked, summary.Top, summary.PendingMessages));
        await _store.CrashAsync();
        Assert.Equal(4, await TopAsync("ann"));
        Assert.Null(await _store.Mailboxes.SummaryAsync(new UserKey(App, "new"), None));
    }

    [Fact]
    public async Task Acknowledgements_of_a_failed_commit_are_committed_later()
    {
        await SendAsync("ann", 2);
        var failures = 1;
        _store.Store.Writer.BeforeCommit = () =>
        {
            if (Interlocked.Decrement(ref failures) >= 0)
                throw new SqliteFailureException(13, "injected");
        };
        await AckAsync("ann", 2);
        await Assert.ThrowsAsync<StoreUnavailableException>(_store.FlushAsync);
        await _store.FlushAsync();
        await _store.CrashAsync();

        Assert.Equal(2, (await _store.Mailboxes.SummaryAsync(new UserKey(App, "ann"), None))!.Acked);
    }

    [Fact]
    public async Task An_event_of_a_failed_commit_is_neither_counted_nor_known()
    {
        var failures = 1;
        _store.Store.Writer.BeforeCommit = () =>
        {
            if (Interlocked.Decrement(ref failures) >= 0)
                throw new SqliteFailureException(13, "injected");
        };
        EventDraft[] drafts = [new EventDraft(new UserKey(App, "ann"), "t", "key", 1, new byte[3])];
        await Assert.ThrowsAsync<StoreUnavailableException>(() => _store.Events.AppendAsync(drafts, None).AsTask());
        Assert.Empty(await _store.Events.BacklogAsync(None));
        await _store.Events.AppendAsync(drafts, None);

        Assert.Equal(new EventBacklog(App, 1, 3), (await _store.Events.BacklogAsync(None)).Single());
    }

    [Fact]
    public async Task A_broadcast_of_a_failed_commit_leaves_no_trace()
    {
        var failures = 1;
        _store.Store.Writer.BeforeCommit = () =>
        {
            if (Interlocked.Decrement(ref failures) >= 0)
                throw new SqliteFailureException(10, "injected");
        };
        var draft = new BroadcastDraft(App, PayloadKind.Text, new byte[4], null, 0, new IdempotencyClaim("key", new byte[32]));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => _store.Broadcasts.AppendAsync(draft, None).AsTask());
        Assert.Empty(await _store.Broadcasts.ListAsync(App, 0, 10, None));
        _store.Clock.Advance(TimeSpan.FromSeconds(5));
        var reply = await _store.Broadcasts.AppendAsync(draft, None);

        Assert.Equal((WriteStatus.Stored, 1), (reply.Status, reply.Record!.Seq));
    }

    [Fact]
    public async Task One_failing_write_does_not_take_the_others_of_its_commit_with_it()
    {
        using var blocked = new ManualResetEventSlim();
        var blocker = _store.Store.Writer.RunAsync(0, _ => { blocked.Wait(None); return 0; }, None);
        var before = SendAsync("ann", 2);
        var poison = _store.Store.Writer.RunAsync<int>(0, batch =>
        {
            batch.Connection.Execute("INSERT INTO facts VALUES ('half', 'done', x'00')");
            throw new InvalidOperationException("poison");
        }, None);
        var after = SendAsync("ann", 3);
        blocked.Set();

        await blocker;
        Assert.Equal([1, 2], (await before).Results.Select(result => result.Seq));
        Assert.Equal("poison", (await Assert.ThrowsAsync<InvalidOperationException>(() => poison)).Message);
        Assert.Equal([3, 4, 5], (await after).Results.Select(result => result.Seq));
        Assert.Null(await _store.Facts.GetAsync("half", "done", None));
        await _store.CrashAsync();
        Assert.Equal(5, await TopAsync("ann"));
    }

    [Fact]
    public async Task A_full_disk_refuses_and_freed_space_is_used_again()
    {
        await SendAsync("ann", 1);
        await _store.Store.Writer.RunAsync(0, batch =>
        {
            batch.Connection.Scalar($"PRAGMA max_page_count = {batch.Connection.Scalar("PRAGMA page_count") + 20}");
            return 0;
        }, None);
        long stored = 1;
        StoreUnavailableException? refusal = null;
        while (refusal is null)
        {
            try
            {
                await SendAsync("ann", 1, 20_000);
                stored++;
            }
            catch (StoreUnavailableException exception)
            {
                refusal = exception;
            }
            Assert.True(stored < 100, "the disk never filled up");
        }
        Assert.Equal(stored, await TopAsync("ann"));
        await _store.Store.Writer.RunAsync(0, batch => batch.Connection.Scalar("PRAGMA max_page_count = 1000000"), None);

        Assert.Equal(stored + 1, (await SendAsync("ann", 1, 20_000)).Results[0].Seq);
        await _store.CrashAsync();
        var summary = (await _store.Mailboxes.SummaryAsync(new UserKey(App, "ann"), None))!;
        Assert.Equal((stored + 1, (int)stored + 1), (summary.Top, summary.PendingMessages));
    }

    [Fact]
    public async Task While_the_database_cannot_be_opened_again_calls_are_refused_and_then_it_recovers()
    {
        await SendAsync("ann", 1);
        var failures = 1;
        _store.Store.Writer.BeforeCommit = () =>
        {
            if (Interlocked.Decrement(ref failures) >= 0)
                throw new SqliteFailureException(10, "injected");
        };
        await Assert.ThrowsAsync<StoreUnavailableException>(() => SendAsync("ann", 1));
        var path = Path.Combine(_store.Folder, "push.db");
        File.Move(path, path + ".away");
        Directory.CreateDirectory(path);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => SendAsync("ann", 1));
        Directory.Delete(path);
        File.Move(path + ".away", path);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => SendAsync("ann", 1));
        _store.Clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(2, (await SendAsync("ann", 1)).Results[0].Seq);
    }

    private static async Task<SqlStoreUnderTest> OpenAsync(Action<SaverOptions>? configure = null)
    {
        var store = await SqlStoreUnderTest.OpenAsync(configure);
        await store.Apps.SaveAsync(new AppRecord { Id = App }, 0, None);
        return store;
    }

    private Task<SqlStore> OpenCopyAsync(string folder) =>
        SqlStore.OpenAsync(new SaverOptions { DataFolder = folder }, _store.Clock, NullLoggerFactory.Instance, None);

    private async Task<AppendReply> SendAsync(string user, int count, int size = 10)
    {
        var reply = await _store.Mailboxes.AppendAsync(
            new AppendRequest(App, Durability.Durable, [.. Enumerable.Range(0, count).Select(_ => new MessageDraft(user, PayloadKind.Binary, new byte[size], null))], null), None);
        Assert.Equal(WriteStatus.Stored, reply.Status);
        return reply;
    }

    private async Task AckAsync(string user, long seq) =>
        await _store.Mailboxes.AckAsync([new AckEntry(new UserKey(App, user), StreamKind.Mailbox, (await PositionAsync(user)).Epoch, seq)], None);

    private async Task<StreamPosition> PositionAsync(string user) => (await _store.Mailboxes.PositionsAsync([new UserKey(App, user)], None))[0];

    private async Task<long> TopAsync(string user) => (await PositionAsync(user)).Seq;
}
