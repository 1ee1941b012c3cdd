using System.Text;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>Multicasts and their subtasks. Inherited by each backend.</summary>
public abstract class MulticastsContract : WorkSuite
{
    [Fact]
    public async Task A_list_arrives_in_parts_and_is_a_task_once_it_is_sealed()
    {
        await SetLimitsAsync(new AppLimits(), "other");
        var draft = await CreateAsync(timeToLive: TimeSpan.FromMinutes(5));
        Assert.Equal(TaskState.Receiving, draft.State);
        Assert.Null(await Multicasts.FindAsync(App, draft.Id, None));
        Assert.Empty(await Multicasts.ListAsync(App, 0, 10, None));
        Assert.Empty(await Multicasts.TakeAsync(1, [1], 10, None));
        await Multicasts.AddPartAsync(App, draft.Id, 1, ["cid"], None);
        await Multicasts.AddPartAsync(App, draft.Id, 0, ["wrong"], None);
        await Multicasts.AddPartAsync(App, draft.Id, 0, ["ann", "bob ü"], None);
        Store.Clock.Advance(TimeSpan.FromMinutes(1));
        var sealedReply = await Multicasts.SealAsync(App, draft.Id, 2, null, None);
        var now = Store.Clock.GetUtcNow().ToUnixTimeMilliseconds();
        Assert.Equal(WriteStatus.Stored, sealedReply.Status);
        Assert.Equal(
            (TaskState.Queued, 3L, now, now + 300_000), (sealedReply.Record!.State, sealedReply.Record.Targeted, sealedReply.Record.AcceptedAt, sealedReply.Record.ExpiresAt));
        Assert.Equal(sealedReply.Record, await Multicasts.FindAsync(App, draft.Id, None));
        Assert.Null(await Multicasts.FindAsync("other", draft.Id, None));
        Assert.Equal("hello", Encoding.UTF8.GetString((await Multicasts.PayloadAsync(App, draft.Id, None))!.Value.Span));
        Assert.Null(await Multicasts.PayloadAsync("other", draft.Id, None));

        await Store.ReopenAsync();
        Assert.Equal(sealedReply.Record, await Multicasts.FindAsync(App, draft.Id, None));
        var taken = await Multicasts.TakeAsync(1, [1], 10, None);
        Assert.Equal([0, 1], taken.Select(subtask => subtask.Part));
        Assert.Equal(["ann", "bob ü", "cid"], taken.SelectMany(subtask => subtask.Users));
        Assert.All(taken, subtask => Assert.Equal((TaskState.Running, 0), (subtask.Task.State, subtask.Cursor)));
        Assert.NotEqual(0, (await Multicasts.FindAsync(App, draft.Id, None))!.StartedAt);
    }

    [Fact]
    public async Task A_list_with_a_hole_or_of_another_length_is_not_sealed()
    {
        var draft = await CreateAsync();
        await Multicasts.AddPartAsync(App, draft.Id, 0, ["ann"], None);
        await Multicasts.AddPartAsync(App, draft.Id, 2, ["bob"], None);
        foreach (var parts in (int[])[1, 2, 3])
            await Assert.ThrowsAsync<InvalidOperationException>(async () => await Multicasts.SealAsync(App, draft.Id, parts, null, None));
        await Multicasts.AddPartAsync(App, draft.Id, 1, ["cid"], None);
        await Multicasts.SealAsync(App, draft.Id, 3, null, None);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await Multicasts.SealAsync(App, draft.Id, 3, null, None));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await Multicasts.AddPartAsync(App, draft.Id, 3, ["dee"], None));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await Multicasts.AddPartAsync("other", draft.Id, 3, ["dee"], None));
    }

    [Fact]
    public async Task Bad_input_is_refused()
    {
        var draft = await CreateAsync();
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.AddPartAsync(App, draft.Id, -1, ["ann"], None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.AddPartAsync(App, draft.Id, 0, [], None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.AddPartAsync(App, draft.Id, 0, [.. Users(1_001)], None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.AddPartAsync(App, draft.Id, 0, [""], None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.CreateAsync(Draft() with { Level = Durability.Transient }, None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.CreateAsync(Draft() with { RatePerSecond = -1 }, None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.CreateAsync(Draft() with { App = "nobody" }, None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.CreateAsync(Draft() with { Payload = new byte[70_000] }, None));
    }

    [Fact]
    public async Task A_repeated_key_gives_the_first_record_and_the_second_list_goes()
    {
        var claim = new IdempotencyClaim("key", Fingerprint(1));
        var first = await SealedAsync(5, claim);
        var second = await FilledAsync(5);
        var replay = await Multicasts.SealAsync(App, second.Id, 1, claim, None);
        Assert.Equal((WriteStatus.Replayed, first), (replay.Status, replay.Record));
        Assert.Equal(1, await CountAsync("multicasts"));
        var third = await FilledAsync(5);
        Assert.Equal(WriteStatus.Conflict, (await Multicasts.SealAsync(App, third.Id, 1, claim with { Fingerprint = Fingerprint(2) }, None)).Status);
        Assert.Equal(1, await CountAsync("multicasts"));
        Assert.Single(await Multicasts.ListAsync(App, 0, 10, None));
        await Store.Idempotency.KeepAsync(App, "other-kind", new IdempotentAnswer(Fingerprint(1), 200, default), None);
        var fourth = await FilledAsync(5);
        Assert.Equal(WriteStatus.Conflict, (await Multicasts.SealAsync(App, fourth.Id, 1, claim with { Key = "other-kind" }, None)).Status);
    }

    [Fact]
    public async Task Subtasks_are_taken_oldest_task_first_and_only_from_nobody_or_the_dead()
    {
        var one = await SealedAsync(2_500);
        var two = await SealedAsync(10);
        var first = await Multicasts.TakeAsync(5, [5, 6], 2, None);
        Assert.Equal([(one.Id, 0), (one.Id, 1)], first.Select(subtask => (subtask.Task.Id, subtask.Part)));
        var rest = await Multicasts.TakeAsync(6, [5, 6], 10, None);
        Assert.Equal([(one.Id, 2), (two.Id, 0)], rest.Select(subtask => (subtask.Task.Id, subtask.Part)));
        Assert.Empty(await Multicasts.TakeAsync(7, [5, 6, 7], 10, None));
        Assert.Equal(2, (await Multicasts.TakeAsync(7, [6, 7], 10, None)).Count);
        await Multicasts.ReleaseAsync(rest, 7, None);
        Assert.Empty(await Multicasts.TakeAsync(5, [5, 6, 7], 10, None));
        await Multicasts.ReleaseAsync(rest, 6, None);
        Assert.Equal(2, (await Multicasts.TakeAsync(5, [5, 6, 7], 10, None)).Count);
        // Those of 5 and of 7, which is newer: both are dead.
        Assert.Equal(4, (await Multicasts.TakeAsync(6, [6], 10, None)).Count);
    }

    [Fact]
    public async Task A_cursor_is_moved_by_its_owner_only_and_the_last_subtask_ends_the_task()
    {
        var task = await SealedAsync(1_500);
        var parts = await Multicasts.TakeAsync(5, [5], 10, None);
        var record = await Multicasts.CommitAsync(parts[0], 5, 0, 400, 390, 10, 100, None);
        Assert.Equal((TaskState.Running, 390L, 10L, 100L), (record.State, record.Accepted, record.Refused, record.Online));
        await Assert.ThrowsAsync<FencedException>(async () => await Multicasts.CommitAsync(parts[0], 5, 0, 400, 400, 0, 0, None));
        await Assert.ThrowsAsync<FencedException>(async () => await Multicasts.CommitAsync(parts[0], 4, 400, 500, 100, 0, 0, None));
        await Store.ReopenAsync();
        var taken = await Multicasts.TakeAsync(9, [9], 10, None);
        Assert.Equal([400, 0], taken.Select(subtask => subtask.Cursor));
        await Assert.ThrowsAsync<FencedException>(async () => await Multicasts.CommitAsync(parts[0], 5, 400, 1_000, 600, 0, 0, None));
        await Assert.ThrowsAsync<ArgumentException>(async () => await Multicasts.CommitAsync(taken[1], 9, 0, 501, 501, 0, 0, None));
        Assert.Equal(390, (await Multicasts.FindAsync(App, task.Id, None))!.Accepted);
        await Multicasts.CommitAsync(taken[1], 9, 0, 500, 500, 0, 0, None);
        Assert.Equal(0, Assert.Single(await Multicasts.TakeAsync(10, [10], 10, None)).Part);
        record = await Multicasts.CommitAsync(taken[0], 10, 400, 1_000, 600, 0, 1, None);
        Assert.Equal((TaskState.Done, 1_490L, 10L, 101L), (record.State, record.Accepted, record.Refused, record.Online));
        Assert.NotEqual(0, record.FinishedAt);
    }

    [Fact]
    public async Task A_paused_a_cancelled_and_an_expired_task_have_no_subtasks_but_take_what_was_under_way()
    {
        var task = await SealedAsync(20);
        var part = (await Multicasts.TakeAsync(5, [5], 10, None))[0];
        Assert.Equal(TaskState.Paused, (await MoveAsync(task, TaskState.Paused))!.State);
        Assert.Equal(TaskState.Paused, (await Multicasts.CommitAsync(part, 5, 0, 5, 5, 0, 0, None)).State);
        await Multicasts.ReleaseAsync([part], 5, None);
        Assert.Empty(await Multicasts.TakeAsync(5, [5], 10, None));
        Assert.Equal(TaskState.Running, (await MoveAsync(task, TaskState.Running))!.State);
        Assert.Equal(30, (await Multicasts.SetRateAsync(App, task.Id, 30, None))!.RatePerSecond);
        Assert.Equal(5, Assert.Single(await Multicasts.TakeAsync(5, [5], 10, None)).Cursor);
        Assert.Equal(TaskState.Cancelled, (await MoveAsync(task, TaskState.Cancelled))!.State);
        var record = await Multicasts.CommitAsync(part, 5, 5, 20, 15, 0, 0, None);
        Assert.Equal((TaskState.Cancelled, 20L), (record.State, record.Accepted));
        Assert.Equal(TaskState.Cancelled, (await MoveAsync(task, TaskState.Running))!.State);
        Assert.Null(await Multicasts.MoveAsync("other", task.Id, [TaskState.Cancelled], TaskState.Done, None));

        var second = await SealedAsync(20);
        Store.Clock.Advance(TimeSpan.FromDays(7));
        Assert.Empty(await Multicasts.TakeAsync(5, [5], 10, None));
        await Store.SweepAsync();
        Assert.Equal(TaskState.Done, (await Multicasts.FindAsync(App, second.Id, None))!.State);
    }

    [Fact]
    public async Task A_list_that_is_not_sealed_in_an_hour_and_an_old_task_are_removed()
    {
        var forgotten = await CreateAsync();
        for (var part = 0; part < 30; part++)
            await Multicasts.AddPartAsync(App, forgotten.Id, part, ["ann"], None);
        var done = await SealedAsync(3);
        var part0 = (await Multicasts.TakeAsync(5, [5], 1, None))[0];
        await Multicasts.CommitAsync(part0, 5, 0, 3, 3, 0, 0, None);
        await Store.SweepAsync();
        Assert.Equal(31, await CountAsync("multicast_parts"));
        Store.Clock.Advance(TimeSpan.FromMinutes(1));
        await Store.SweepAsync();
        Assert.Null(await Multicasts.PayloadAsync(App, done.Id, None));
        Assert.Equal(30, await CountAsync("multicast_parts"));
        Store.Clock.Advance(TimeSpan.FromMinutes(59));
        await Store.SweepAsync();
        Assert.Equal((0L, 1L), (await CountAsync("multicast_parts"), await CountAsync("multicasts")));
        Assert.NotNull(await Multicasts.FindAsync(App, done.Id, None));
        Store.Clock.Advance(TimeSpan.FromHours(24));
        await Store.SweepAsync();
        Assert.Equal(0, await CountAsync("multicasts"));
        // A number is not used twice.
        Assert.True((await CreateAsync()).Id > done.Id);
    }

    [Fact]
    public async Task A_discarded_list_is_gone_and_a_sealed_one_is_not_discarded()
    {
        var draft = await FilledAsync(5);
        await Multicasts.DiscardAsync(App, draft.Id, None);
        await Multicasts.DiscardAsync(App, draft.Id, None);
        Assert.Equal((0L, 0L), (await CountAsync("multicast_parts"), await CountAsync("multicasts")));
        var task = await SealedAsync(5);
        await Multicasts.DiscardAsync(App, task.Id, None);
        Assert.NotNull(await Multicasts.FindAsync(App, task.Id, None));
    }

    [Fact]
    public async Task The_list_of_tasks_is_newest_first_page_by_page_and_per_app()
    {
        var ids = new List<long>();
        for (var i = 0; i < 5; i++)
            ids.Add((await SealedAsync(1)).Id);
        await FilledAsync(1);
        ids.Reverse();
        var first = await Multicasts.ListAsync(App, 0, 2, None);
        Assert.Equal(ids[..2], first.Select(record => record.Id));
        Assert.Equal(ids[2..], (await Multicasts.ListAsync(App, first[^1].Id, 10, None)).Select(record => record.Id));
        Assert.Empty(await Multicasts.ListAsync("other", 0, 10, None));
    }

    [Fact]
    public async Task Many_that_take_and_work_at_once_do_every_user_exactly_once()
    {
        const int Users = 40_000;
        var task = await SealedAsync(Users);
        var done = new System.Collections.Concurrent.ConcurrentBag<string>();
        long[] live = [1, 2, 3, 4];
        await Task.WhenAll(live.Select(token => Task.Run(async () =>
        {
            while (await Multicasts.TakeAsync(token, live, 3, None) is { Count: > 0 } parts)
            {
                foreach (var part in parts)
                {
                    await Multicasts.CommitAsync(part, token, 0, 300, 300, 0, 0, None);
                    await Multicasts.CommitAsync(part, token, 300, part.Users.Count, part.Users.Count - 300, 0, 0, None);
                    foreach (var user in part.Users)
                        done.Add(user);
                }
            }
        })));

        var record = await Multicasts.FindAsync(App, task.Id, None);
        Assert.Equal((TaskState.Done, Users), (record!.State, (int)record.Accepted));
        Assert.Equal((Users, Users), (done.Count, done.Distinct().Count()));
    }

    [Fact]
    public async Task A_list_of_a_million_users_is_taken_in_its_order()
    {
        const int Parts = 1_000;
        var draft = await CreateAsync();
        for (var part = 0; part < Parts; part++)
            await Multicasts.AddPartAsync(App, draft.Id, part, [.. Enumerable.Range(part * 1_000, 1_000).Select(i => $"u{i}")], None);
        var reply = await Multicasts.SealAsync(App, draft.Id, Parts, null, None);
        Assert.Equal(1_000_000, reply.Record!.Targeted);

        var next = 0;
        while (await Multicasts.TakeAsync(5, [5], 100, None) is { Count: > 0 } parts)
        {
            foreach (var part in parts)
            {
                Assert.Equal((next, $"u{next * 1_000}", $"u{(next * 1_000) + 999}"), (part.Part, part.Users[0], part.Users[^1]));
                next++;
            }
        }
        Assert.Equal(Parts, next);
    }

    private static MulticastDraft Draft() => new(App, Durability.Durable, PayloadKind.Text, "hello"u8.ToArray(), null, 0);

    private static IEnumerable<string> Users(int count) => Enumerable.Range(0, count).Select(i => $"u{i}");

    private ValueTask<MulticastRecord> CreateAsync(TimeSpan? timeToLive = null) =>
        Multicasts.CreateAsync(Draft() with { TimeToLive = timeToLive }, None);

    private async Task<MulticastRecord> FilledAsync(int users)
    {
        var draft = await CreateAsync();
        var part = 0;
        foreach (var chunk in Users(users).Chunk(1_000))
            await Multicasts.AddPartAsync(App, draft.Id, part++, chunk, None);
        return draft;
    }

    private async Task<MulticastRecord> SealedAsync(int users, IdempotencyClaim? claim = null)
    {
        var draft = await FilledAsync(users);
        return (await Multicasts.SealAsync(App, draft.Id, (users + 999) / 1_000, claim, None)).Record!;
    }

    private ValueTask<MulticastRecord?> MoveAsync(MulticastRecord task, TaskState next) =>
        Multicasts.MoveAsync(App, task.Id, [TaskState.Queued, TaskState.Running, TaskState.Paused], next, None);

    private Task<long> CountAsync(string table) => WorkStore.CountRowsAsync(table);
}
