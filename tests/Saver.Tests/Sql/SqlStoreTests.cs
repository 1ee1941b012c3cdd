using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Sql;
using PushSystem.TestSupport;

namespace PushSystem.Saver.Tests.Sql;

/// <summary>What is special to the SQLite store: folder, schema, bounds of queue and memory, flushing, sweeping, new epochs.</summary>
public sealed class SqlStoreTests
{
    private const string App = "shop";

    private static CancellationToken None => CancellationToken.None;

    [Fact]
    public async Task A_second_store_on_the_same_folder_is_refused_with_the_folders_name()
    {
        await using var store = await OpenAsync();
        var refusal = await Assert.ThrowsAsync<IOException>(() => OpenPlainAsync(store.Options(), store.Clock));

        Assert.Contains(store.Folder, refusal.Message);
        Assert.Contains("in use by another process", refusal.Message);
    }

    [Fact]
    public async Task A_database_of_a_newer_program_is_refused_and_left_alone()
    {
        await using var store = await OpenAsync();
        await store.Store.Writer.RunAsync(0, batch => { batch.Connection.Execute("INSERT INTO schema_version VALUES (99, 0)"); return 0; }, None);
        var refusal = await Assert.ThrowsAsync<InvalidDataException>(() => store.ReopenAsync());
        Assert.Contains("99", refusal.Message);

        using (var connection = RawConnection.Open(Path.Combine(store.Folder, "push.db"), writable: true, 1 << 20))
            connection.Execute("DELETE FROM schema_version WHERE version = 99");
        await store.ReopenAsync();
        Assert.NotNull(store.Apps.Find(App));
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused()
    {
        var folder = Directory.CreateTempSubdirectory("push-saver-").FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "push.db"), new string('x', 10_000));
            await Assert.ThrowsAsync<StoreUnavailableException>(() => OpenPlainAsync(new SaverOptions { DataFolder = folder }, new FakeClock()));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task The_store_keeps_its_identity_and_another_has_another()
    {
        await using var one = await OpenAsync();
        await using var two = await OpenAsync();
        var id = one.Store.StoreId;
        await one.ReopenAsync();

        Assert.Equal(id, one.Store.StoreId);
        Assert.NotEqual(id, two.Store.StoreId);
    }

    [Fact]
    public async Task A_store_that_was_made_anew_does_not_reuse_epochs()
    {
        await using var one = await OpenAsync();
        await SendAsync(one, "ann", 1);
        await using var two = await SqlStoreUnderTest.OpenAsync();
        two.Clock.Advance(TimeSpan.FromSeconds(1));
        await two.Store.DisposeAsync();
        Directory.Delete(two.Folder, recursive: true);
        await two.ReopenAsync();
        await two.Apps.SaveAsync(new AppRecord { Id = App }, 0, None);
        await SendAsync(two, "ann", 1);

        Assert.NotEqual((await PositionAsync(one, "ann")).Epoch, (await PositionAsync(two, "ann")).Epoch);
    }

    [Fact]
    public async Task After_an_older_copy_was_put_back_every_stream_begins_a_new_epoch()
    {
        await using var store = await OpenAsync(options => options.JournalMessages = 3);
        await SendAsync(store, "ann", 5);
        await SendAsync(store, "bob", 1);
        await store.Mailboxes.OpenAsync([new OpenRequest(Key("ann"), default, default)], None);
        await store.Broadcasts.AppendAsync(new BroadcastDraft(App, PayloadKind.Text, new byte[1], null, 0, null), None);
        var before = await PositionAsync(store, "ann");
        var logBefore = (await store.Broadcasts.ReleasedAsync(App, None)).Epoch;
        store.Clock.Advance(TimeSpan.FromMinutes(1));
        await store.ReopenAsync(options => options.StartNewEpochs = true);

        var after = await PositionAsync(store, "ann");
        Assert.True(after.Epoch > before.Epoch);
        Assert.Equal(5, after.Seq);
        Assert.True((await store.Broadcasts.ReleasedAsync(App, None)).Epoch > logBefore);
        // A client that was further than the copy is told, although the copy has grown past it meanwhile.
        await SendAsync(store, "ann", 10);
        var opening = (await store.Mailboxes.OpenAsync([new OpenRequest(Key("ann"), before with { Seq = 8 }, default)], None))[0].Mailbox;
        Assert.Equal((0, 15, ResetReason.DataLoss), (opening.Seq, opening.Top, opening.Gap));
        Assert.Equal(MessageState.Pending, (await store.Mailboxes.FindAsync(Key("ann"), before.Epoch, 5, None)).State);
        Assert.Equal(MessageState.Unknown, (await store.Mailboxes.FindAsync(Key("ann"), before.Epoch, 6, None)).State);
    }

    [Fact]
    public async Task A_full_queue_is_answered_as_overloaded_and_changes_nothing()
    {
        await using var store = await OpenAsync(options => options.QueueOperations = 2);
        using var blocked = new ManualResetEventSlim();
        var blocker = await BlockAsync(store, blocked);
        var waiting = new[] { SendAsync(store, "ann", 1), SendAsync(store, "ann", 1) };
        var refused = await SendAsync(store, "ann", 1);
        var broadcast = await store.Broadcasts.AppendAsync(new BroadcastDraft(App, PayloadKind.Text, new byte[1], null, 0, null), None);
        await Assert.ThrowsAsync<StoreUnavailableException>(() => store.Facts.SetAsync("s", [new("k", new byte[1])], None).AsTask());
        blocked.Set();
        await blocker;
        await Task.WhenAll(waiting);

        Assert.Equal((WriteStatus.Overloaded, WriteStatus.Overloaded), (refused.Status, broadcast.Status));
        Assert.Equal(2, (await PositionAsync(store, "ann")).Seq);
        Assert.Equal(WriteStatus.Stored, (await SendAsync(store, "ann", 1)).Status);
    }

    [Fact]
    public async Task The_queue_is_bounded_in_bytes_but_takes_one_large_write()
    {
        await using var store = await OpenAsync(options => options.QueueBytes = 64 * 1024);
        using var blocked = new ManualResetEventSlim();
        var blocker = await BlockAsync(store, blocked);
        var large = SendAsync(store, "ann", 4, 60_000);
        var refused = await SendAsync(store, "ann", 1, 60_000);
        blocked.Set();
        await blocker;

        Assert.Equal(WriteStatus.Overloaded, refused.Status);
        Assert.Equal(WriteStatus.Stored, (await large).Status);
    }

    [Fact]
    public async Task A_cancelled_write_that_still_waits_is_not_done()
    {
        await using var store = await OpenAsync();
        using var blocked = new ManualResetEventSlim();
        using var cancel = new CancellationTokenSource();
        var blocker = await BlockAsync(store, blocked);
        var cancelled = store.Mailboxes.AppendAsync(
            new AppendRequest(App, Durability.Durable, [new MessageDraft("ann", PayloadKind.Binary, new byte[1], null)], null), cancel.Token).AsTask();
        var other = SendAsync(store, "ann", 1);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        blocked.Set();
        await blocker;
        await other;

        Assert.Equal(1, (await PositionAsync(store, "ann")).Seq);
    }

    [Fact]
    public async Task Waiting_writes_share_one_commit()
    {
        await using var store = await OpenAsync();
        using var blocked = new ManualResetEventSlim();
        var blocker = await BlockAsync(store, blocked);
        var commits = 0;
        var sends = Enumerable.Range(0, 100).Select(_ => SendAsync(store, "ann", 1)).ToArray();
        store.Store.Writer.BeforeCommit = () => Interlocked.Increment(ref commits);
        blocked.Set();
        await blocker;
        await Task.WhenAll(sends);

        Assert.InRange(commits, 1, 2);
        Assert.Equal(100, (await PositionAsync(store, "ann")).Seq);
    }

    [Fact]
    public async Task Acknowledgements_are_committed_after_the_interval_without_any_other_write()
    {
        await using var store = await OpenAsync();
        await SendAsync(store, "ann", 1);
        var committed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        store.Store.Writer.BeforeCommit = () => committed.TrySetResult();
        await AckAsync(store, "ann", 1);
        Assert.False(committed.Task.IsCompleted);
        store.Clock.Advance(TimeSpan.FromMilliseconds(250));

        await Waiting.For(committed.Task, "flush of acknowledgements");
    }

    [Fact]
    public async Task Many_acknowledgements_are_committed_before_the_interval_is_over()
    {
        await using var store = await OpenAsync(options => options.AckFlushCount = 3);
        foreach (var user in (string[])["ann", "bob", "cid"])
            await SendAsync(store, user, 1);
        var committed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        store.Store.Writer.BeforeCommit = () => committed.TrySetResult();
        foreach (var user in (string[])["ann", "bob", "cid"])
            await AckAsync(store, user, 1);

        await Waiting.For(committed.Task, "flush of acknowledgements");
    }

    [Fact]
    public async Task Logins_of_known_users_need_no_commit()
    {
        await using var store = await OpenAsync();
        OpenRequest[] requests = [.. Enumerable.Range(0, 200).Select(i => new OpenRequest(Key($"user{i}"), default, default))];
        await store.Mailboxes.OpenAsync(requests, None);
        await store.ReopenAsync();
        var commits = 0;
        store.Store.Writer.BeforeCommit = () => Interlocked.Increment(ref commits);
        await store.Mailboxes.OpenAsync(requests, None);
        await store.Mailboxes.OpenAsync(requests, None);

        Assert.Equal(0, commits);
    }

    [Fact]
    public async Task The_number_of_mailboxes_in_memory_is_bounded_and_nothing_is_lost()
    {
        await using var store = await OpenAsync(options => (options.CachedMailboxes, options.JournalMessages) = (10, 10));
        for (var i = 0; i < 3_000; i += 100)
        {
            await store.Mailboxes.AppendAsync(
                new AppendRequest(App, Durability.Durable, [.. Enumerable.Range(i, 100).Select(user => new MessageDraft($"user{user}", PayloadKind.Binary, new byte[1], null))], null), None);
        }
        for (var i = 0; i < 10; i++)
            await store.FlushAsync();
        Assert.InRange(store.Store.CachedMailboxes, 0, 200);

        for (var i = 0; i < 3_000; i += 500)
            Assert.Equal(1, (await PositionAsync(store, $"user{i}")).Seq);
    }

    [Fact]
    public async Task Looking_up_users_that_do_not_exist_does_not_fill_the_memory()
    {
        await using var store = await OpenAsync(options => options.CachedMailboxes = 10);
        for (var i = 0; i < 5_000; i += 100)
            await store.Mailboxes.PositionsAsync([.. Enumerable.Range(i, 100).Select(user => Key($"user{user}"))], None);

        await Waiting.Until(() => store.Store.CachedMailboxes < 2_000, "eviction without any write");
    }

    [Fact]
    public async Task The_journal_is_bounded_and_what_moves_out_stays_in_order()
    {
        await using var store = await OpenAsync(options => options.JournalBytes = 20_000);
        for (var i = 0; i < 50; i++)
            await SendAsync(store, "ann", 10, 100);
        await store.FlushAsync();
        Assert.InRange(store.Store.JournalBytes, 1, 20_000);

        var epoch = (await PositionAsync(store, "ann")).Epoch;
        var entries = (await store.Mailboxes.ReadAsync(new ReadRequest(Key("ann"), epoch, 1, 1_000, 1 << 20), None)).Entries;
        Assert.Equal(Enumerable.Range(1, 500).Select(seq => (long)seq), entries.Select(entry => entry.Seq));
    }

    [Fact]
    public async Task The_log_is_checkpointed_while_it_is_written()
    {
        await using var store = await OpenAsync(options => options.CheckpointBytes = 256 * 1024);
        for (var i = 0; i < 300; i++)
        {
            await SendAsync(store, "ann", 10, 1_000);
            await AckAsync(store, "ann", (i + 1) * 10);
        }
        var log = new FileInfo(Path.Combine(store.Folder, "push.db-wal")).Length;

        Assert.InRange(log, 1, 4 * 1024 * 1024);
    }

    [Fact]
    public async Task Disposing_leaves_no_log_behind()
    {
        await using var store = await OpenAsync();
        await SendAsync(store, "ann", 10);
        await store.Store.DisposeAsync();
        var log = new FileInfo(Path.Combine(store.Folder, "push.db-wal"));

        Assert.True(!log.Exists || log.Length == 0);
        await store.ReopenAsync();
    }

    [Fact]
    public async Task Sweeping_removes_in_bounded_portions_until_nothing_is_left()
    {
        await using var store = await OpenAsync(options => (options.JournalMessages, options.SweepRows) = (0, 100));
        await store.Mailboxes.AppendAsync(
            new AppendRequest(App, Durability.Durable, [.. Enumerable.Range(0, 350).Select(i => new MessageDraft($"user{i}", PayloadKind.Binary, new byte[1], TimeSpan.FromSeconds(1)))], null), None);
        await store.FlushAsync();
        await store.ReopenAsync();
        store.Clock.Advance(TimeSpan.FromSeconds(2));
        var rounds = 1;
        while (await store.Store.Sweeper.SweepAsync(None))
            rounds++;

        Assert.InRange(rounds, 4, 5);
        Assert.Equal(0, await store.Store.Writer.RunAsync(0, batch => batch.Connection.Scalar("SELECT count(*) FROM messages"), None));
    }

    [Fact]
    public async Task Sweeping_happens_by_itself()
    {
        await using var store = await OpenAsync(options => options.JournalMessages = 0);
        await store.Mailboxes.AppendAsync(
            new AppendRequest(App, Durability.Durable, [new MessageDraft("ann", PayloadKind.Binary, new byte[1], TimeSpan.FromSeconds(1))], null), None);
        await store.FlushAsync();
        var rows = 1L;
        for (var i = 0; i < 100 && rows > 0; i++)
        {
            store.Clock.Advance(TimeSpan.FromSeconds(10));
            rows = await store.Store.Writer.RunAsync(0, batch => batch.Connection.Scalar("SELECT count(*) FROM messages"), None);
            await Task.Yield();
        }

        Assert.Equal(0, rows);
    }

    [Fact]
    public async Task Parked_messages_are_kept_for_a_while_and_bounded()
    {
        await using var store = await OpenAsync(options => (options.ParkedMessages, options.ParkedRetention) = (3, TimeSpan.FromHours(1)));
        await SendAsync(store, "ann", 5);
        var epoch = (await PositionAsync(store, "ann")).Epoch;
        for (var seq = 1; seq <= 5; seq++)
            await store.Mailboxes.ParkAsync(Key("ann"), epoch, seq, None);
        await store.SweepAsync();
        Assert.Equal(3, await ParkedAsync(store));
        store.Clock.Advance(TimeSpan.FromHours(1));
        await store.SweepAsync();

        Assert.Equal(0, await ParkedAsync(store));
    }

    [Fact]
    public async Task Broadcasts_are_bounded_per_app()
    {
        await using var store = await OpenAsync(options => (options.BroadcastsPerApp, options.BroadcastBytesPerApp) = (2, 100));
        async Task<WriteStatus> AppendAsync(int size) =>
            (await store.Broadcasts.AppendAsync(new BroadcastDraft(App, PayloadKind.Text, new byte[size], null, 0, null), None)).Status;

        Assert.Equal(WriteStatus.Overloaded, await AppendAsync(101));
        Assert.Equal(WriteStatus.Stored, await AppendAsync(60));
        Assert.Equal(WriteStatus.Overloaded, await AppendAsync(60));
        Assert.Equal(WriteStatus.Stored, await AppendAsync(40));
        Assert.Equal(WriteStatus.Overloaded, await AppendAsync(0));
    }

    [Fact]
    public async Task Reading_while_writing_never_shows_a_hole()
    {
        await using var store = await OpenAsync(options => (options.JournalMessages, options.CachedMailboxes) = (20, 1));
        await store.Apps.SaveAsync(store.Apps.Find(App)! with { Limits = new AppLimits { MailboxMessages = 30 } }, 1, None);
        await SendAsync(store, "ann", 1);
        var epoch = (await PositionAsync(store, "ann")).Epoch;
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(async () =>
        {
            var reads = 0;
            while (!stop.IsCancellationRequested)
            {
                var reply = await store.Mailboxes.ReadAsync(new ReadRequest(Key("ann"), epoch, 1, 1_000, 1 << 20), None);
                long next = 1;
                foreach (var entry in reply.Entries)
                {
                    Assert.True(entry.Gap != ResetReason.None || entry.Seq == next, $"{entry.Seq} came where {next} was due");
                    next = entry.Seq + 1;
                }
                Assert.Equal(reply.Top + 1, next);
                reads++;
            }
            return reads;
        });
        for (var i = 0; i < 300; i++)
        {
            await SendAsync(store, "ann", 3);
            if (i % 10 == 0)
                await AckAsync(store, "ann", i * 3);
        }
        await stop.CancelAsync();

        Assert.True(await Waiting.For(reader, "reader ends") > 0);
    }

    [Theory]
    [InlineData(nameof(SaverOptions.QueueOperations), 0)]
    [InlineData(nameof(SaverOptions.BatchOperations), -1)]
    [InlineData(nameof(SaverOptions.Readers), 65)]
    [InlineData(nameof(SaverOptions.CachedMailboxes), 0)]
    [InlineData(nameof(SaverOptions.SweepRows), 0)]
    public async Task A_bad_option_is_refused_with_its_name(string name, int value)
    {
        var options = new SaverOptions { DataFolder = Path.Combine(Path.GetTempPath(), "push-saver-never-made") };
        typeof(SaverOptions).GetProperty(name)!.SetValue(options, value);
        var refusal = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => OpenPlainAsync(options, new FakeClock()));

        Assert.Contains(name, refusal.Message);
        Assert.False(Directory.Exists(options.DataFolder));
    }

    private static async Task<SqlStoreUnderTest> OpenAsync(Action<SaverOptions>? configure = null)
    {
        var store = await SqlStoreUnderTest.OpenAsync(configure);
        await store.Apps.SaveAsync(new AppRecord { Id = App }, 0, None);
        return store;
    }

    private static Task<SqlStore> OpenPlainAsync(SaverOptions options, TimeProvider clock) =>
        SqlStore.OpenAsync(options, clock, NullLoggerFactory.Instance, None);

    /// <summary>Holds the writing thread until the event is set; returns when it is held.</summary>
    private static async Task<Task<int>> BlockAsync(SqlStoreUnderTest store, ManualResetEventSlim release)
    {
        var held = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var blocker = store.Store.Writer.RunAsync(0, _ =>
        {
            held.TrySetResult();
            release.Wait(None);
            return 0;
        }, None);
        await Waiting.For(held.Task, "writer is held");
        return blocker;
    }

    private static async Task<AppendReply> SendAsync(SqlStoreUnderTest store, string user, int count, int size = 10) =>
        await store.Mailboxes.AppendAsync(
            new AppendRequest(App, Durability.Durable, [.. Enumerable.Range(0, count).Select(_ => new MessageDraft(user, PayloadKind.Binary, new byte[size], null))], null), None);

    private static async Task AckAsync(SqlStoreUnderTest store, string user, long seq) =>
        await store.Mailboxes.AckAsync([new AckEntry(Key(user), StreamKind.Mailbox, (await PositionAsync(store, user)).Epoch, seq)], None);

    private static async Task<StreamPosition> PositionAsync(SqlStoreUnderTest store, string user) =>
        (await store.Mailboxes.PositionsAsync([Key(user)], None))[0];

    private static Task<long> ParkedAsync(SqlStoreUnderTest store) =>
        store.Store.Writer.RunAsync(0, batch => batch.Connection.Scalar("SELECT count(*) FROM parked"), None);

    private static UserKey Key(string user) => new(App, user);
}
