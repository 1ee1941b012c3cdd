using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Claims;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Multicasts;

/// <summary>
/// <see cref="IMulticasts"/> over SQLite: what a business does to multicasts. Holds no state; any thread; changes go through the
/// writer. Lives as long as the store. <see cref="SqlSubtasks"/> has what is done to their parts.
/// </summary>
internal sealed class SqlMulticasts(
    AppTable apps, GroupCommitWriter writer, ReaderPool readers, SqlSubtasks subtasks, SaverOptions options) : IMulticasts
{
    /// <summary>Most parts of one list.</summary>
    public const int MaxParts = 100_000;

    // A task whose list never became complete is removed after this time.
    private static readonly TimeSpan ReceivingTime = TimeSpan.FromHours(1);

    // An ended task's parts stay a little longer, so that who works on one learns of the end instead of being told that it lost it.
    private static readonly TimeSpan PartsTime = TimeSpan.FromMinutes(1);

    private const int RecordBytes = 512;

    public async ValueTask<MulticastRecord> CreateAsync(MulticastDraft draft, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(draft);
        var limits = apps.Require(draft.App).Record.Limits;
        if (draft.Level is not (Durability.Stored or Durability.Durable))
            throw new ArgumentException($"level: {draft.Level} must be Stored or Durable", nameof(draft));
        if (draft.RatePerSecond < 0)
            throw new ArgumentException($"ratePerSecond: {draft.RatePerSecond} must be at least 0", nameof(draft));
        var timeToLive = StoredText.TimeToLive(draft.TimeToLive, limits);
        var payload = StoredText.Payload(draft.Payload, limits);
        return await writer.RunAsync(
            payload.Length + RecordBytes,
            batch =>
            {
                var record = new MulticastRecord
                {
                    App = draft.App,
                    Id = 0,
                    State = TaskState.Receiving,
                    Level = draft.Level,
                    Kind = draft.Kind,
                    PayloadBytes = payload.Length,
                    RatePerSecond = draft.RatePerSecond,
                    AcceptedAt = batch.Now,
                    ExpiresAt = batch.Now + timeToLive,
                };
                return record with { Id = MulticastRows.Insert(batch.Connection, apps.View.Working.Find(draft.App)!.State.Id, record, payload) };
            },
            cancellationToken);
    }

    public async ValueTask AddPartAsync(string app, long id, int part, IReadOnlyList<string> users, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(users);
        if (part is < 0 or >= MaxParts)
            throw new ArgumentException($"part: {part}, allowed are 0 to {MaxParts - 1}", nameof(part));
        if (users.Count is 0 or > IMulticasts.MaxPartUsers)
            throw new ArgumentException($"users: {users.Count}, allowed are 1 to {IMulticasts.MaxPartUsers}", nameof(users));
        foreach (var user in users)
            StoredText.CheckUser(user);
        var count = users.Count;
        var list = UserList.Write(users);
        var isReceiving = await writer.RunAsync(
            list.Length + RecordBytes,
            batch =>
            {
                if (MulticastRows.Find(batch.Connection, app, id) is not { Record.State: TaskState.Receiving })
                    return false;
                PartRows.Add(batch.Connection, id, part, count, list);
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
        apps.Require(app);
        return await writer.RunAsync(RecordBytes, batch => Seal(batch, app, id, parts, kept), cancellationToken)
            ?? throw new InvalidOperationException($"Multicast {id} of app '{app}' is not receiving, or its parts are not 0 to {parts - 1}.");
    }

    public async ValueTask DiscardAsync(string app, long id, CancellationToken cancellationToken) =>
        await writer.RunAsync(
            RecordBytes,
            batch =>
            {
                if (MulticastRows.Find(batch.Connection, app, id) is { Record.State: TaskState.Receiving })
                    Remove(batch, id);
                return true;
            },
            cancellationToken);

    public ValueTask<MulticastRecord?> FindAsync(string app, long id, CancellationToken cancellationToken) =>
        readers.ReadAsync<(string, long), MulticastRecord?>(
            (app, id),
            static (connection, key) => MulticastRows.Find(connection, key.Item1, key.Item2) is ({ State: not TaskState.Receiving } record, _) ? record : null,
            cancellationToken);

    public ValueTask<IReadOnlyList<MulticastRecord>> ListAsync(string app, long beforeId, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(beforeId);
        return readers.ReadAsync<(string, long, int), IReadOnlyList<MulticastRecord>>(
            (app, beforeId == 0 ? long.MaxValue : beforeId, limit),
            static (connection, page) => MulticastRows.List(connection, page.Item1, page.Item2, page.Item3),
            cancellationToken);
    }

    public ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, long id, CancellationToken cancellationToken) =>
        readers.ReadAsync<(string, long), ReadOnlyMemory<byte>?>(
            (app, id),
            static (connection, key) => MulticastRows.Payload(connection, key.Item1, key.Item2) is { } payload ? payload : (ReadOnlyMemory<byte>?)null,
            cancellationToken);

    public ValueTask<MulticastRecord?> MoveAsync(
        string app, long id, IReadOnlyList<TaskState> from, TaskState next, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        if (!Enum.IsDefined(next) || next == TaskState.Receiving)
            throw new ArgumentException($"next: {next} is no state that a task is moved to", nameof(next));
        TaskState[] allowed = [.. from];
        return ChangeAsync(app, id, (record, now) => !allowed.Contains(record.State)
            ? record
            : record with
            {
                State = next,
                StartedAt = next == TaskState.Running && record.StartedAt == 0 ? now : record.StartedAt,
                FinishedAt = IsEnded(next) ? now : 0,
            }, cancellationToken);
    }

    public ValueTask<MulticastRecord?> SetRateAsync(string app, long id, int ratePerSecond, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ratePerSecond);
        return ChangeAsync(app, id, (record, _) => record with { RatePerSecond = ratePerSecond }, cancellationToken);
    }

    public ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken) =>
        subtasks.TakeAsync(token, live, max, cancellationToken);

    public ValueTask<MulticastRecord> CommitAsync(
        Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken) =>
        subtasks.CommitAsync(subtask, token, from, to, accepted, refused, online, cancellationToken);

    public ValueTask ReleaseAsync(IReadOnlyList<Subtask> taken, long token, CancellationToken cancellationToken) =>
        subtasks.ReleaseAsync(taken, token, cancellationToken);

    /// <summary>In a transaction: ends what expired and removes what nobody needs any more; says how many rows.</summary>
    public int RemoveOld(WriteBatch batch, int rows)
    {
        var removed = MulticastRows.EndExpired(batch.Connection, batch.Now);
        foreach (var id in MulticastRows.Filled(batch.Connection, batch.Now - (long)PartsTime.TotalMilliseconds, rows))
        {
            if (removed >= rows)
                return removed;
            var wanted = rows - removed;
            var parts = PartRows.Delete(batch.Connection, id, wanted);
            removed += parts;
            if (parts < wanted)
                MulticastRows.DropPayload(batch.Connection, id);
        }
        var forgotten = MulticastRows.Forgotten(
            batch.Connection, batch.Now - (long)ReceivingTime.TotalMilliseconds, batch.Now - (long)options.BroadcastRetention.TotalMilliseconds, rows);
        foreach (var id in forgotten)
        {
            if (removed >= rows)
                return removed;
            var wanted = rows - removed;
            var parts = PartRows.Delete(batch.Connection, id, wanted);
            removed += parts + 1;
            if (parts < wanted)
                MulticastRows.Delete(batch.Connection, id);
        }
        return removed;
    }

    private static bool IsEnded(TaskState state) => state is TaskState.Done or TaskState.Cancelled;

    private static void Remove(WriteBatch batch, long id)
    {
        PartRows.Delete(batch.Connection, id, MaxParts);
        MulticastRows.Delete(batch.Connection, id);
    }

    // Null: not receiving, or the parts are not as said.
    private MulticastReply? Seal(WriteBatch batch, string app, long id, int parts, IdempotencyClaim? claim)
    {
        var number = apps.View.Working.Find(app)!.State.Id;
        if (MulticastRows.Find(batch.Connection, app, id) is not ({ State: TaskState.Receiving } draft, _))
            return null;
        if (claim is not null && IdempotencyRows.Find(batch.Connection, number, claim.Key, batch.Now) is { } known)
        {
            Remove(batch, id);
            return known.Kind == IdempotencyKind.Multicast && known.Fingerprint.AsSpan().SequenceEqual(claim.Fingerprint.Span)
                ? new MulticastReply(WriteStatus.Replayed, MulticastRows.Find(batch.Connection, app, BitConverter.ToInt64(known.Body))?.Record)
                : new MulticastReply(WriteStatus.Conflict, null);
        }
        var (count, first, last, users) = PartRows.Totals(batch.Connection, id);
        if (count != parts || first != 0 || last != parts - 1)
            return null;
        // Its time begins now, not with the first byte of its list.
        var record = draft with
        {
            State = TaskState.Queued,
            AcceptedAt = batch.Now,
            ExpiresAt = draft.ExpiresAt - draft.AcceptedAt + batch.Now,
            Targeted = users,
        };
        MulticastRows.Update(batch.Connection, record, parts);
        if (claim is not null)
        {
            IdempotencyRows.Put(
                batch.Connection, number, claim.Key, IdempotencyKind.Multicast, claim.Fingerprint.Span, 0, batch.Now, BitConverter.GetBytes(id));
        }
        return new MulticastReply(WriteStatus.Stored, record);
    }

    private async ValueTask<MulticastRecord?> ChangeAsync(
        string app, long id, Func<MulticastRecord, long, MulticastRecord> change, CancellationToken cancellationToken) =>
        await writer.RunAsync(
            RecordBytes,
            batch =>
            {
                if (MulticastRows.Find(batch.Connection, app, id) is not ({ State: not TaskState.Receiving } before, var partsLeft))
                    return null;
                var after = change(before, batch.Now);
                if (after != before)
                    MulticastRows.Update(batch.Connection, after, partsLeft);
                return after;
            },
            cancellationToken);
}
