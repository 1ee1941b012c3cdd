using PushSystem.Contracts;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Multicasts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.MySql;

/// <summary>
/// <see cref="IMulticasts"/> over MySQL: what a business does to multicasts. Any thread; several savers work on the same rows. Owned and
/// disposed by the cluster store. <see cref="MySqlSubtasks"/> has what is done to their parts.
/// </summary>
internal sealed class MySqlMulticasts : IMulticasts, IAsyncDisposable
{
    private const string Store = "multicasts";

    private const string Insert =
        "INSERT INTO multicasts (app, state, level, kind, payload_bytes, rate, accepted_at, expires_at, started_at, finished_at, targeted, accepted, "
        + "refused, online, parts_left, has_payload, payload) "
        + "VALUES (@app, 5, @level, @kind, @bytes, @rate, @now, @expires, 0, 0, 0, 0, 0, 0, 0, 1, @payload)";
    private const string LastId = "SELECT LAST_INSERT_ID()";
    private const string PutPart =
        "INSERT INTO multicast_parts (multicast_id, part, is_done, owner, position, user_count, users) VALUES (@id, @part, 0, 0, 0, @count, @users) "
        + "ON DUPLICATE KEY UPDATE user_count = VALUES(user_count), users = VALUES(users)";
    private const string SelectTotals =
        "SELECT COUNT(*), COALESCE(MIN(part), 0), COALESCE(MAX(part), -1), CAST(COALESCE(SUM(user_count), 0) AS SIGNED) FROM multicast_parts WHERE multicast_id = @id";
    private const string SelectPayload = "SELECT payload FROM multicasts WHERE id = @id AND app = @app AND payload IS NOT NULL";

    private readonly SqlLink _link;
    private readonly SharedKeys _keys;
    private readonly IAppDirectory _apps;
    private readonly TimeProvider _clock;
    private readonly MySqlSubtasks _subtasks;

    public MySqlMulticasts(SqlLink link, SharedKeys keys, IAppDirectory apps, TimeProvider clock)
    {
        _link = link;
        _keys = keys;
        _apps = apps;
        _clock = clock;
        _subtasks = new MySqlSubtasks(link, clock);
    }

    private long Now => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    public async ValueTask<MulticastRecord> CreateAsync(MulticastDraft draft, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(draft);
        var limits = _apps.Require(draft.App).Limits;
        if (draft.Level is not (Durability.Stored or Durability.Durable))
            throw new ArgumentException($"level: {draft.Level} must be Stored or Durable", nameof(draft));
        if (draft.RatePerSecond < 0)
            throw new ArgumentException($"ratePerSecond: {draft.RatePerSecond} must be at least 0", nameof(draft));
        var timeToLive = StoredText.TimeToLive(draft.TimeToLive, limits);
        var payload = StoredText.Payload(draft.Payload, limits);
        var now = Now;
        var record = new MulticastRecord
        {
            App = draft.App,
            Id = 0,
            State = TaskState.Receiving,
            Level = draft.Level,
            Kind = draft.Kind,
            PayloadBytes = payload.Length,
            RatePerSecond = draft.RatePerSecond,
            AcceptedAt = now,
            ExpiresAt = now + timeToLive,
        };
        var id = await _link.WriteAsync(
            Store,
            async session =>
            {
                await session.RunAsync(
                    Insert, ("app", SqlSession.Key(record.App)), ("level", (int)record.Level), ("kind", (int)record.Kind), ("bytes", payload.Length),
                    ("rate", record.RatePerSecond), ("now", now), ("expires", record.ExpiresAt), ("payload", payload));
                return (await session.NumberAsync(LastId))!.Value;
            },
            cancellationToken);
        return record with { Id = id };
    }

    public async ValueTask AddPartAsync(string app, long id, int part, IReadOnlyList<string> users, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(users);
        if (part is < 0 or >= SqlMulticasts.MaxParts)
            throw new ArgumentException($"part: {part}, allowed are 0 to {SqlMulticasts.MaxParts - 1}", nameof(part));
        if (users.Count is 0 or > IMulticasts.MaxPartUsers)
            throw new ArgumentException($"users: {users.Count}, allowed are 1 to {IMulticasts.MaxPartUsers}", nameof(users));
        foreach (var user in users)
            StoredText.CheckUser(user);
        var (count, list) = (users.Count, UserList.Write(users));
        var isReceiving = await _link.WriteAsync(
            Store,
            async session =>
            {
                if (await MulticastSql.FindAsync(session, app, id, isLocked: true) is not ({ State: TaskState.Receiving }, _))
                    return false;
                await session.RunAsync(PutPart, ("id", id), ("part", part), ("count", count), ("users", list));
                return true;
            },
            cancellationToken);
        if (!isReceiving)
            throw new InvalidOperationException($"Multicast {id} of app '{app}' is not receiving.");
    }

    public async ValueTask<MulticastReply> SealAsync(
        string app, long id, int parts, IdempotencyClaim? claim, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parts, 1);
        var kept = IdempotencyRows.Check(claim);
        _apps.Require(app);
        var isTaken = kept is not null && await _keys.IsTakenAsync(app, kept.Key, cancellationToken);
        return await _link.WriteAsync(Store, session => SealAsync(session, app, id, parts, kept, isTaken), cancellationToken)
            ?? throw new InvalidOperationException($"Multicast {id} of app '{app}' is not receiving, or its parts are not 0 to {parts - 1}.");
    }

    public async ValueTask DiscardAsync(string app, long id, CancellationToken cancellationToken) =>
        await _link.WriteAsync(
            Store,
            async session =>
            {
                if (await MulticastSql.FindAsync(session, app, id, isLocked: true) is ({ State: TaskState.Receiving }, _))
                    await RemoveAsync(session, id);
                return true;
            },
            cancellationToken);

    public async ValueTask<MulticastRecord?> FindAsync(string app, long id, CancellationToken cancellationToken) =>
        await _link.ReadAsync(Store, session => MulticastSql.FindAsync(session, app, id), cancellationToken) is ({ State: not TaskState.Receiving } record, _)
            ? record
            : null;

    public async ValueTask<IReadOnlyList<MulticastRecord>> ListAsync(string app, long beforeId, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(beforeId);
        var rows = await _link.ReadAsync(
            Store, session => MulticastSql.ListAsync(session, app, beforeId == 0 ? long.MaxValue : beforeId, limit), cancellationToken);
        return [.. rows.Select(row => row.Record)];
    }

    public async ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, long id, CancellationToken cancellationToken)
    {
        var rows = await _link.ReadAsync(
            Store, session => session.ReadAsync(SelectPayload, row => row.Bytes(0), ("id", id), ("app", SqlSession.Key(app))), cancellationToken);
        return rows.Count == 0 ? null : (ReadOnlyMemory<byte>?)rows[0];
    }

    public async ValueTask<MulticastRecord?> MoveAsync(
        string app, long id, IReadOnlyList<TaskState> from, TaskState next, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        if (!Enum.IsDefined(next) || next == TaskState.Receiving)
            throw new ArgumentException($"next: {next} is no state that a task is moved to", nameof(next));
        TaskState[] allowed = [.. from];
        var now = Now;
        return await ChangeAsync(app, id, record => !allowed.Contains(record.State)
            ? record
            : record with
            {
                State = next,
                StartedAt = next == TaskState.Running && record.StartedAt == 0 ? now : record.StartedAt,
                FinishedAt = MulticastSql.IsEnded(next) ? now : 0,
            }, cancellationToken);
    }

    public async ValueTask<MulticastRecord?> SetRateAsync(string app, long id, int ratePerSecond, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ratePerSecond);
        return await ChangeAsync(app, id, record => record with { RatePerSecond = ratePerSecond }, cancellationToken);
    }

    public ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken) =>
        _subtasks.TakeAsync(token, live, max, cancellationToken);

    public ValueTask<MulticastRecord> CommitAsync(
        Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken) =>
        _subtasks.CommitAsync(subtask, token, from, to, accepted, refused, online, cancellationToken);

    public ValueTask ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken) =>
        _subtasks.ReleaseAsync(subtasks, token, cancellationToken);

    public ValueTask DisposeAsync() => _subtasks.DisposeAsync();

    private static async Task RemoveAsync(SqlSession session, long id)
    {
        await MulticastSql.DeletePartsAsync(session, id, MulticastSql.AllParts);
        await MulticastSql.DeleteAsync(session, id);
    }

    // Null: not receiving, or the parts are not as said.
    private async Task<MulticastReply?> SealAsync(SqlSession session, string app, long id, int parts, IdempotencyClaim? claim, bool isTaken)
    {
        var now = Now;
        if (await MulticastSql.FindAsync(session, app, id, isLocked: true) is not ({ State: TaskState.Receiving } draft, _))
            return null;
        if (claim is not null && await ClaimedKeys.FindAsync(session, app, claim.Key, now) is { } known)
            return await ReplayAsync(session, app, id, claim, known);
        if (isTaken)
        {
            await RemoveAsync(session, id);
            return new MulticastReply(WriteStatus.Conflict, null);
        }
        var (count, first, last, users) = (await session.ReadAsync(
            SelectTotals, row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), ("id", id)))[0];
        if (count != parts || first != 0 || last != parts - 1)
            return null;
        if (claim is not null
            && await ClaimedKeys.TakeAsync(
                session, app, claim.Key, IdempotencyKind.Multicast, claim.Fingerprint, 0, BitConverter.GetBytes(id), now) is { } winner)
        {
            return await ReplayAsync(session, app, id, claim, winner);
        }
        // Its time begins now, not with the first byte of its list.
        var record = draft with
        {
            State = TaskState.Queued,
            AcceptedAt = now,
            ExpiresAt = draft.ExpiresAt - draft.AcceptedAt + now,
            Targeted = users,
        };
        await MulticastSql.UpdateAsync(session, record, parts);
        return new MulticastReply(WriteStatus.Stored, record);
    }

    private static async Task<MulticastReply> ReplayAsync(SqlSession session, string app, long id, IdempotencyClaim claim, IdempotencyRow known)
    {
        await RemoveAsync(session, id);
        return ClaimedKeys.IsRepeated(known, IdempotencyKind.Multicast, claim)
            ? new MulticastReply(WriteStatus.Replayed, (await MulticastSql.FindAsync(session, app, BitConverter.ToInt64(known.Body)))?.Record)
            : new MulticastReply(WriteStatus.Conflict, null);
    }

    private async Task<MulticastRecord?> ChangeAsync(
        string app, long id, Func<MulticastRecord, MulticastRecord> change, CancellationToken cancellationToken) =>
        await _link.WriteAsync(
            Store,
            async session =>
            {
                if (await MulticastSql.FindAsync(session, app, id, isLocked: true) is not ({ State: not TaskState.Receiving } before, var partsLeft))
                    return null;
                var after = change(before);
                if (after != before)
                    await MulticastSql.UpdateAsync(session, after, partsLeft);
                return after;
            },
            cancellationToken);
}
