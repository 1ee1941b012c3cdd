using PushSystem.Contracts;
using PushSystem.Saver.Claims;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Multicasts;

/// <summary>What centers do to the parts of multicasts, over SQLite. Holds no state; any thread. Lives as long as the store.</summary>
internal sealed class SqlSubtasks(GroupCommitWriter writer)
{
    private const int OperationBytes = 512;

    /// <inheritdoc cref="IMulticasts.TakeAsync"/>
    public async ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken)
    {
        ClaimRows.CheckToken(token);
        ArgumentNullException.ThrowIfNull(live);
        ArgumentOutOfRangeException.ThrowIfLessThan(max, 1);
        // A copy: the collection is the caller's, the write runs on another thread.
        HashSet<long> alive = [.. live];
        return await writer.RunAsync(OperationBytes, batch => Take(batch, token, alive, max), cancellationToken);
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
        var (app, id, part) = (subtask.Task.App, subtask.Task.Id, subtask.Part);
        return await writer.RunAsync(
            OperationBytes, batch => Commit(batch, app, id, part, token, from, to, (accepted, refused, online)), cancellationToken)
            ?? throw new FencedException($"The process with token {token} does not own part {part} of multicast {id} at {from} any more.");
    }

    /// <inheritdoc cref="IMulticasts.ReleaseAsync"/>
    public async ValueTask ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(subtasks);
        if (subtasks.Count == 0)
            return;
        (long Id, int Part)[] parts = [.. subtasks.Select(subtask => (subtask.Task.Id, subtask.Part))];
        await writer.RunAsync(
            OperationBytes,
            batch =>
            {
                foreach (var (id, part) in parts)
                    PartRows.Release(batch.Connection, id, part, token);
                return true;
            },
            cancellationToken);
    }

    private static List<Subtask> Take(WriteBatch batch, long token, HashSet<long> live, int max)
    {
        var taken = new List<Subtask>();
        var parts = new List<int>();
        foreach (var (record, partsLeft) in MulticastRows.Takeable(batch.Connection, batch.Now))
        {
            parts.Clear();
            PartRows.Takeable(batch.Connection, record.Id, token, live, max - taken.Count, parts);
            if (parts.Count == 0)
                continue;
            var running = record;
            if (record.State == TaskState.Queued)
            {
                running = record with { State = TaskState.Running, StartedAt = record.StartedAt == 0 ? batch.Now : record.StartedAt };
                MulticastRows.Update(batch.Connection, running, partsLeft);
            }
            foreach (var part in parts)
                taken.Add(PartRows.Take(batch.Connection, running, part, token));
            if (taken.Count == max)
                break;
        }
        return taken;
    }

    // Null: another one owns the part by now, or it is elsewhere than its worker believes.
    private static MulticastRecord? Commit(
        WriteBatch batch, string app, long id, int part, long token, int from, int to, (long Accepted, long Refused, long Online) counts)
    {
        if (PartRows.Find(batch.Connection, id, part) is not { } stored || stored.Owner != token || stored.Position != from || to > stored.Count
            || MulticastRows.Find(batch.Connection, app, id) is not ({ State: not TaskState.Receiving } record, var partsLeft))
            return null;
        PartRows.Move(batch.Connection, id, part, to);
        if (to == stored.Count)
            partsLeft--;
        var isDone = partsLeft == 0 && record.State is not (TaskState.Done or TaskState.Cancelled);
        record = record with
        {
            State = isDone ? TaskState.Done : record.State,
            FinishedAt = isDone ? batch.Now : record.FinishedAt,
            Accepted = record.Accepted + counts.Accepted,
            Refused = record.Refused + counts.Refused,
            Online = record.Online + counts.Online,
        };
        MulticastRows.Update(batch.Connection, record, partsLeft);
        return record;
    }
}
