using PushSystem.Contracts;
using PushSystem.Saver.Claims;
using PushSystem.Saver.Multicasts;

namespace PushSystem.Saver.MySql;

/// <summary>
/// What centers do to the parts of multicasts, over MySQL. Any thread; several savers at the same time: a part that another
/// transaction holds is passed over, not waited for. Owned and disposed by <see cref="MySqlMulticasts"/>.
/// </summary>
internal sealed class MySqlSubtasks : IAsyncDisposable
{
    private const string Store = "subtasks";
    private const int CommitBytes = 256;

    private const string SelectTasks =
        "SELECT m.id FROM multicasts m WHERE m.state IN (0, 1) AND m.expires_at > @now AND EXISTS (SELECT 1 FROM multicast_parts p "
        + "WHERE p.multicast_id = m.id AND p.is_done = 0 AND {0}) ORDER BY m.id LIMIT @max";
    private const string SelectParts =
        "SELECT p.part, p.position, p.user_count, p.users FROM multicast_parts p WHERE p.multicast_id = @id AND p.is_done = 0 AND {0} "
        + "ORDER BY p.part LIMIT @max FOR UPDATE SKIP LOCKED";
    private const string OwnParts = "UPDATE multicast_parts SET owner = @token WHERE multicast_id = @id AND part IN ({0})";
    private const string SelectPart =
        "SELECT owner, position, user_count FROM multicast_parts WHERE multicast_id = @id AND part = @part FOR UPDATE";
    private const string MovePart =
        "UPDATE multicast_parts SET position = @to, is_done = @done WHERE multicast_id = @id AND part = @part";
    private const string ReleasePart = "UPDATE multicast_parts SET owner = 0 WHERE multicast_id = @id AND part = @part AND owner = @token";

    private readonly SqlLink _link;
    private readonly TimeProvider _clock;
    private readonly GroupCommit<Progress, MulticastRecord?> _commit;

    public MySqlSubtasks(SqlLink link, TimeProvider clock)
    {
        _link = link;
        _clock = clock;
        _commit = new GroupCommit<Progress, MulticastRecord?>(link, Store, ExecuteAsync);
    }

    private long Now => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <inheritdoc cref="IMulticasts.TakeAsync"/>
    public async ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken)
    {
        ClaimRows.CheckToken(token);
        ArgumentNullException.ThrowIfNull(live);
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        long[] alive = [.. live.Distinct()];
        return await _link.WriteAsync(Store, session => TakeAsync(session, token, alive, max), cancellationToken);
    }

    /// <inheritdoc cref="IMulticasts.CommitAsync"/>
    public async ValueTask<MulticastRecord> CommitAsync(
        Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(subtask);
        if (to <= from || to > subtask.Users.Count)
            throw new ArgumentException($"to: {to} must be above {from} and at most {subtask.Users.Count}", nameof(to));
        ArgumentOutOfRangeException.ThrowIfNegative(accepted);
        ArgumentOutOfRangeException.ThrowIfNegative(refused);
        ArgumentOutOfRangeException.ThrowIfNegative(online);
        var progress = new Progress(subtask.Task.App, subtask.Task.Id, subtask.Part, token, from, to, accepted, refused, online);
        return await _commit.AddAsync(progress, CommitBytes, cancellationToken)
            ?? throw new FencedException($"The process with token {token} does not own part {subtask.Part} of multicast {subtask.Task.Id} at {from} any more.");
    }

    /// <inheritdoc cref="IMulticasts.ReleaseAsync"/>
    public async ValueTask ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(subtasks);
        if (subtasks.Count == 0)
            return;
        (long Id, int Part)[] parts = [.. subtasks.Select(subtask => (subtask.Task.Id, subtask.Part)).Order()];
        await _link.WriteAsync(
            Store,
            async session =>
            {
                foreach (var (id, part) in parts)
                    await session.RunAsync(ReleasePart, ("id", id), ("part", part), ("token", token));
                return true;
            },
            cancellationToken);
    }

    public ValueTask DisposeAsync() => _commit.DisposeAsync();

    private async Task<IReadOnlyList<Subtask>> TakeAsync(SqlSession session, long token, long[] live, int max)
    {
        var now = Now;
        var (names, values) = SqlRows.List(live, ("token", token), ("now", now), ("max", max));
        var free = live.Length == 0
            ? "p.owner <> @token"
            : $"(p.owner <> @token AND p.owner NOT IN ({names}))";
        var taken = new List<Subtask>();
        foreach (var id in await session.ReadAsync(string.Format(null, SelectTasks, free), row => row.GetInt64(0), values))
        {
            if (taken.Count == max)
                break;
            (_, values) = SqlRows.List(live, ("token", token), ("id", id), ("max", max - taken.Count));
            var parts = await session.ReadAsync(
                string.Format(null, SelectParts, free),
                row => (Part: row.GetInt32(0), Position: row.GetInt32(1), Users: UserList.Read(row.Bytes(3), row.GetInt32(2))), values);
            // The parts are locked before the task, as in a commit. It may have been paused or cancelled since it was looked at.
            if (parts.Count == 0 || await MulticastSql.LockAsync(session, id) is not ({ State: TaskState.Queued or TaskState.Running } record, var left)
                || record.ExpiresAt <= now)
                continue;
            if (record.State == TaskState.Queued)
            {
                record = record with { State = TaskState.Running, StartedAt = record.StartedAt == 0 ? now : record.StartedAt };
                await MulticastSql.UpdateAsync(session, record, left);
            }
            (names, values) = SqlRows.List(parts.Select(part => part.Part), ("id", id), ("token", token));
            await session.RunAsync(string.Format(null, OwnParts, names), values);
            taken.AddRange(parts.Select(part => new Subtask(record, part.Part, part.Position, part.Users)));
        }
        return taken;
    }

    // By task and part, so that two savers never wait for each other; the parts of all tasks before the tasks.
    private async Task<MulticastRecord?[]> ExecuteAsync(SqlSession session, IReadOnlyList<Progress> items)
    {
        var now = Now;
        var owned = new List<int>();
        foreach (var i in Enumerable.Range(0, items.Count).OrderBy(i => items[i].Id).ThenBy(i => items[i].Part).ThenBy(i => items[i].From))
        {
            if (await MoveAsync(session, items[i]))
                owned.Add(i);
        }
        var records = new MulticastRecord?[items.Count];
        foreach (var task in owned.GroupBy(i => items[i].Id))
        {
            if (await MulticastSql.LockAsync(session, task.Key) is not ({ State: not TaskState.Receiving } record, var left))
                throw new InvalidOperationException($"Multicast {task.Key} has parts but no task.");
            foreach (var i in task)
            {
                var item = items[i];
                if (item.IsLast)
                    left--;
                record = record with
                {
                    Accepted = record.Accepted + item.Accepted,
                    Refused = record.Refused + item.Refused,
                    Online = record.Online + item.Online,
                };
            }
            if (left == 0 && !MulticastSql.IsEnded(record.State))
                record = record with { State = TaskState.Done, FinishedAt = now };
            await MulticastSql.UpdateAsync(session, record, left);
            foreach (var i in task)
                records[i] = record;
        }
        return records;
    }

    // False: another one owns the part by now, or it is elsewhere than its worker believes.
    private static async Task<bool> MoveAsync(SqlSession session, Progress item)
    {
        var rows = await session.ReadAsync(
            SelectPart, row => (Owner: row.GetInt64(0), Position: row.GetInt32(1), Count: row.GetInt32(2)), ("id", item.Id), ("part", item.Part));
        if (rows.Count == 0 || rows[0].Owner != item.Token || rows[0].Position != item.From || item.To > rows[0].Count)
            return false;
        item.IsLast = item.To == rows[0].Count;
        await session.RunAsync(MovePart, ("to", item.To), ("done", item.IsLast), ("id", item.Id), ("part", item.Part));
        return true;
    }

    /// <summary>IsLast is set by each run of the transaction.</summary>
    private sealed record Progress(
        string App, long Id, int Part, long Token, int From, int To, long Accepted, long Refused, long Online)
    {
        public bool IsLast { get; set; }
    }
}
