using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Saver.Tests.MySql;

/// <summary>The stores while their servers are killed, stopped and started again. Each test has servers of its own.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private const string App = "shop";

    private MariaDbServer _database = null!;
    private RedisServer _redis = null!;
    private MySqlStoreUnderTest _store = null!;

    private static CancellationToken None => CancellationToken.None;

    public async ValueTask InitializeAsync()
    {
        _database = await MariaDbServer.StartAsync();
        _redis = await RedisServer.StartAsync();
        _store = await MySqlStoreUnderTest.OpenAsync(_database, _redis, options =>
        {
            options.Deadline = TimeSpan.FromSeconds(2);
            options.CompareInterval = TimeSpan.FromMilliseconds(100);
        });
        await _store.Apps.SaveAsync(new AppRecord { Id = App, Limits = new AppLimits { EventCount = 1_000_000 } }, 0, None);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        await _redis.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Killed_during_commits_everything_answered_is_there_and_retries_are_stored_once()
    {
        var answered = new ConcurrentDictionary<string, bool>();
        var stopping = false;
        long unavailable = 0;
        var callers = Enumerable.Range(0, 16).Select(caller => Task.Run(async () =>
        {
            for (var i = 0; !Volatile.Read(ref stopping); i++)
            {
                var key = $"{caller}-{i}";
                while (!await TryAppendAsync(key))
                    Interlocked.Increment(ref unavailable);
                answered[key] = true;
            }
        })).ToArray();
        for (var round = 0; round < 3; round++)
        {
            var before = answered.Count;
            await Waiting.Until(() => answered.Count > before + 200, "events are stored");
            await _database.Kill();
            var failures = Interlocked.Read(ref unavailable);
            await Waiting.Until(() => Interlocked.Read(ref unavailable) > failures, "the loss is told");
            await _database.RestartAsync();
        }
        var last = answered.Count;
        await Waiting.Until(() => answered.Count > last + 100, "events are stored again");
        Volatile.Write(ref stopping, true);
        await Waiting.For(Task.WhenAll(callers), "every caller is answered");

        var stored = await ReadAllAsync();
        Assert.Equal(stored.Count, stored.Distinct().Count());
        Assert.Equal(answered.Keys.Order(), stored.Order());
        Assert.Equal(stored.Count, (await _store.Events.BacklogAsync(None)).Single().Events);
    }

    [Fact]
    public async Task A_silent_database_is_told_within_the_deadline_to_a_bounded_number_of_waiters_and_comes_back_by_itself()
    {
        Assert.Null(_store.Stores.Failure);
        Assert.True(await TryAppendAsync("before"));
        _database.Stop();
        try
        {
            var started = TimeProvider.System.GetTimestamp();
            var calls = Enumerable.Range(0, 3_000).Select(i => Refused(async () => await _store.Facts.GetAsync("space", $"{i}", None)))
                .Concat(Enumerable.Range(0, 100).Select(i => Refused(async () => await _store.Claims.ClaimAsync($"w{i}", 1, [], None))))
                .ToArray();
            await Waiting.For(Task.WhenAll(calls), "everybody is refused");
            // Far less than the 10 s that a stopped server may take; the deadline is 2 s.
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(8));
            Assert.NotNull(_store.Stores.Failure);
        }
        finally
        {
            _database.Continue();
        }
        await UntilAsync(() => TryAppendAsync("after"), "events are stored again");

        Assert.Null(_store.Stores.Failure);
        Assert.Equal(["after", "before"], (await ReadAllAsync()).Order());

        static async Task Refused(Func<Task> call) => await Assert.ThrowsAsync<StoreUnavailableException>(call);
    }

    [Fact]
    public async Task While_the_database_is_away_released_broadcasts_are_read_and_writes_are_refused()
    {
        var record = await ReleasedAsync("news");
        await using var other = await _store.JoinAsync();
        await _database.Kill();

        // The second saver never saw it; the first has it in memory.
        foreach (var log in (IBroadcastLog[])[other.Broadcasts, _store.Broadcasts])
        {
            Assert.Equal(1, (await log.ReleasedAsync(App, None)).Seq);
            Assert.Equal("news", TextOf(await log.ReadAsync(App, record.Epoch, 1, 10, 1_000, None)));
        }
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await ReleasedAsync("more"));
        await _database.RestartAsync();
        await UntilAsync(async () => await TryAsync(async () => await ReleasedAsync("more")), "broadcasts are stored again");
        Assert.Equal("news more", TextOf(await other.Broadcasts.ReadAsync(App, record.Epoch, 1, 10, 1_000, None)));
    }

    [Fact]
    public async Task A_redis_that_comes_back_empty_gets_the_log_again_in_the_same_epoch()
    {
        var record = await ReleasedAsync("news");
        await _redis.WipeAndRestartAsync();
        await using var other = await _store.JoinAsync();
        foreach (var log in (IBroadcastLog[])[other.Broadcasts, _store.Broadcasts])
        {
            Assert.Equal(new StreamPosition(record.Epoch, 1), await log.ReleasedAsync(App, None));
            Assert.Equal("news", TextOf(await log.ReadAsync(App, record.Epoch, 1, 10, 1_000, None)));
        }

        await UntilAsync(async () => (await _redis.CliAsync("HEXISTS", $"push:log:{{{App}}}", "v")).Trim() == "1", "the copy is written again");
    }

    [Fact]
    public async Task An_old_copy_in_redis_is_repaired_and_a_late_refill_does_not_replace_a_newer_one()
    {
        var record = await ReleasedAsync("news");
        var old = await _redis.CliAsync("HGET", $"push:log:{{{App}}}", "v");
        await _redis.CliAsync("COPY", $"push:log:{{{App}}}", $"old:{{{App}}}");
        var stale = await ReadViewAsync();
        await _store.Broadcasts.MoveAsync(App, record.Epoch, 1, [TaskState.Running], TaskState.Cancelled, default, None);
        await using var other = await _store.JoinAsync();

        // A refill that was read before the change and is written after it.
        Assert.True(await new Saver.MySql.LogCopy(_store.Redis).PutAsync(App, stale, None) > stale.Version);
        Assert.Equal("!Cancelled", TextOf(await other.Broadcasts.ReadAsync(App, record.Epoch, 1, 10, 1_000, None)));
        // A copy that fell back, as after the promotion of a replica that was behind.
        await _redis.CliAsync("COPY", $"old:{{{App}}}", $"push:log:{{{App}}}", "REPLACE");
        Assert.Equal("!Cancelled", TextOf(await _store.Broadcasts.ReadAsync(App, record.Epoch, 1, 10, 1_000, None)));
        await UntilAsync(async () => await _redis.CliAsync("HGET", $"push:log:{{{App}}}", "v") != old, "the copy is repaired");
    }

    [Fact]
    public async Task A_saver_that_dies_between_commit_and_copy_is_made_up_for()
    {
        var record = await ReleasedAsync("news");
        // What such a saver leaves: the database has the change, nobody wrote the copy.
        await MySqlServers.RunAsync(
            _store.ConnectionString, "UPDATE broadcasts SET state = 4; UPDATE broadcast_logs SET version = version + 1");
        await using var other = await _store.JoinAsync();

        await UntilAsync(
            async () => TextOf(await other.Broadcasts.ReadAsync(App, record.Epoch, 1, 10, 1_000, None)) == "!Cancelled", "the copy is compared");
    }

    [Fact]
    public async Task Two_savers_share_subtasks_while_the_database_dies_and_every_user_is_counted_once()
    {
        const int Users = 30_000;
        await using var other = await _store.JoinAsync();
        var draft = await _store.Multicasts.CreateAsync(new MulticastDraft(App, Durability.Durable, PayloadKind.Text, "x"u8.ToArray(), null, 0), None);
        foreach (var (part, users) in Enumerable.Range(0, Users).Select(i => $"u{i}").Chunk(1_000).Index())
            await _store.Multicasts.AddPartAsync(App, draft.Id, part, users, None);
        await _store.Multicasts.SealAsync(App, draft.Id, Users / 1_000, null, None);
        // Appended per range, as mailboxes do with a claim: a range that is repeated counts once.
        var done = new ConcurrentDictionary<(int Part, int From), int>();
        long token = 0;
        var workers = new[] { _store, other }.SelectMany(saver => new[] { saver, saver }).Select(saver => Task.Run(async () =>
        {
            // Each attempt is a new process: it may not know what the one before it took.
            while ((await TryFindAsync(saver, draft.Id))?.State != TaskState.Done)
            {
                var mine = Interlocked.Increment(ref token);
                await TryAsync(async () =>
                {
                    foreach (var part in await saver.Multicasts.TakeAsync(mine, [mine], 2, None))
                    {
                        for (var from = part.Cursor; from < part.Users.Count; from += 250)
                        {
                            done[(part.Part, from)] = 250;
                            await saver.Multicasts.CommitAsync(part, mine, from, from + 250, 250, 0, 0, None);
                        }
                    }
                });
            }
        })).ToArray();
        await Waiting.Until(() => done.Count > 10, "subtasks are worked on");
        await _database.Kill();
        await _database.RestartAsync();
        await Waiting.For(Task.WhenAll(workers), "the task is done");

        Assert.Equal(Users, (await _store.Multicasts.FindAsync(App, draft.Id, None))!.Accepted);
        Assert.Equal(Users, done.Values.Sum());
    }

    private static string TextOf(ReadReply reply) => string.Join(' ', reply.Entries.Select(entry => entry.Gap == ResetReason.None
        ? System.Text.Encoding.UTF8.GetString(entry.Payload.Span)
        : $"!{entry.Gap}"));

    private static async Task<bool> TryAsync(Func<Task> call)
    {
        try
        {
            await call();
            return true;
        }
        catch (Exception exception) when (exception is StoreUnavailableException or FencedException)
        {
            return false;
        }
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, string phase)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(started) > Waiting.Limit)
                throw new TimeoutException($"'{phase}' did not happen within {Waiting.Limit.TotalSeconds:0} s");
            await Task.Delay(20);
        }
    }

    private async Task<MulticastRecord?> TryFindAsync(MySqlStoreUnderTest saver, long id)
    {
        MulticastRecord? found = null;
        await TryAsync(async () => found = await saver.Multicasts.FindAsync(App, id, None));
        return found;
    }

    private Task<bool> TryAppendAsync(string key) => TryAsync(async () => Assert.Equal(
        [EventStatus.Stored],
        await _store.Events.AppendAsync([new EventDraft(new UserKey(App, "ann"), "upstream", key, 1, System.Text.Encoding.UTF8.GetBytes(key))], None)));

    private async Task<List<string>> ReadAllAsync()
    {
        var all = new List<string>();
        for (long after = 0; await _store.Events.ReadAsync(App, after, 1_000, 1 << 20, None) is { Count: > 0 } page; after = page[^1].Id)
            all.AddRange(page.Select(queued => System.Text.Encoding.UTF8.GetString(queued.Body.Span)));
        return all;
    }

    private async Task<BroadcastRecord> ReleasedAsync(string text)
    {
        var reply = await _store.Broadcasts.AppendAsync(
            new BroadcastDraft(App, PayloadKind.Text, System.Text.Encoding.UTF8.GetBytes(text), null, 0, new IdempotencyClaim(text, new byte[32])), None);
        return (await _store.Broadcasts.MoveAsync(App, reply.Record!.Epoch, reply.Record.Seq, [TaskState.Queued, TaskState.Running], TaskState.Running, default, None))!;
    }

    private async Task<Saver.MySql.LogView> ReadViewAsync() => (await new Saver.MySql.LogCopy(_store.Redis).ReadAsync(App, None))!;
}
