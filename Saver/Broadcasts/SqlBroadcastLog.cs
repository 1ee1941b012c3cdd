using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Claims;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Broadcasts;

/// <summary>
/// <see cref="IBroadcastLog"/> over SQLite. Any thread: records come from memory, payloads from a bounded cache or a reader; changes
/// go through the writer. Lives as long as the store.
/// </summary>
internal sealed class SqlBroadcastLog(
    AppTable apps, GroupCommitWriter writer, ReaderPool readers, BroadcastCounters counters, PayloadCache cache, SaverOptions options,
    SaverMetrics metrics, TimeProvider clock) : IBroadcastLog
{
    private const int DraftOverhead = 512;

    private long Now => clock.GetUtcNow().ToUnixTimeMilliseconds();

    public async ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(draft);
        var limits = apps.Require(draft.App).Record.Limits;
        if (draft.RatePerSecond < 0)
            throw new ArgumentException($"ratePerSecond: {draft.RatePerSecond} must be at least 0", nameof(draft));
        var timeToLive = StoredText.TimeToLive(draft.TimeToLive, limits);
        var payload = StoredText.Payload(draft.Payload, limits);
        var claim = IdempotencyRows.Check(draft.Claim);
        var task = writer.TryRunAsync(
            payload.Length + DraftOverhead, batch => Append(batch, draft, timeToLive, payload, claim), cancellationToken);
        return task is null ? new BroadcastReply(WriteStatus.Overloaded, null) : await task;
    }

    public ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(apps.Find(app)?.State.Log.Committed.Find(epoch, seq)?.Record.Committed);
    }

    public ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(beforeSeq);
        cancellationToken.ThrowIfCancellationRequested();
        var records = new List<BroadcastRecord>();
        if (apps.Find(app)?.State.Log.Committed is { } log)
        {
            var newest = beforeSeq == 0 ? log.Top : Math.Min(beforeSeq - 1, log.Top);
            for (var seq = newest; seq >= log.FirstSeq && records.Count < limit; seq--)
                records.Add(log.Entries[(int)(seq - log.FirstSeq)].Record.Committed);
        }
        return ValueTask.FromResult<IReadOnlyList<BroadcastRecord>>(records);
    }

    public ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var records = new List<BroadcastRecord>();
        foreach (var app in apps.View.Committed.Entries)
        {
            foreach (var entry in app.State.Log.Committed.Entries)
            {
                if (!IsFinished(entry.Record.Committed.State))
                    records.Add(entry.Record.Committed);
            }
        }
        records.Sort(static (one, other) =>
        {
            var byTime = one.AcceptedAt.CompareTo(other.AcceptedAt);
            var byApp = byTime != 0 ? byTime : string.CompareOrdinal(one.App, other.App);
            return byApp != 0 ? byApp : one.Seq.CompareTo(other.Seq);
        });
        return ValueTask.FromResult<IReadOnlyList<BroadcastRecord>>(records);
    }

    public async ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken)
    {
        if (apps.Find(app)?.State is not { } state || state.Log.Committed.Find(epoch, seq) is null)
            return null;
        if (cache.TryGet(state.Id, seq, out var cached))
            return cached;
        var payload = await readers.ReadAsync(
            (state.Id, seq), static (connection, key) => BroadcastRows.Payload(connection, key.Id, key.seq), cancellationToken);
        if (payload is null)
            return null;
        cache.Add(state.Id, seq, payload);
        return payload;
    }

    public async ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        if (!Enum.IsDefined(next))
            throw new ArgumentException($"next: {next} is no state of a task", nameof(next));
        TaskState[] allowed = [.. from];
        return await ChangeAsync(app, epoch, seq, fence, (record, now) => !allowed.Contains(record.State)
            ? record
            : record with
            {
                State = next,
                StartedAt = next == TaskState.Running && record.StartedAt == 0 ? now : record.StartedAt,
                FinishedAt = IsFinished(next) ? now : 0,
            }, cancellationToken);
    }

    public async ValueTask<BroadcastRecord?> SetRateAsync(
        string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ratePerSecond);
        return await ChangeAsync(app, epoch, seq, default, (record, _) => record with { RatePerSecond = ratePerSecond }, cancellationToken);
    }

    public async ValueTask ReportAsync(
        string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken) =>
        await ChangeAsync(
            app, epoch, seq, fence, (record, _) => record with { Targeted = targeted, Sent = sent, Offline = offline }, cancellationToken);

    public ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var log = apps.Require(app).State.Log.Committed;
        return ValueTask.FromResult(new StreamPosition(log.Epoch, log.Released));
    }

    public async ValueTask<ReadReply> ReadAsync(
        string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMessages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        var state = apps.Require(app).State;
        var log = state.Log.Committed;
        if (epoch != log.Epoch)
            return new ReadReply(log.Epoch, [], log.Released, log.Released);
        fromSeq = Math.Max(1, fromSeq);
        var now = Now;
        var entries = new StreamEntries();
        if (fromSeq < log.FirstSeq && log.FirstSeq > 1)
            entries.AddGap(Math.Min(log.FirstSeq - 1, log.Released), ResetReason.Expired);
        for (var seq = Math.Max(fromSeq, log.FirstSeq); seq <= log.Released; seq++)
        {
            var reason = log.ReasonToSkip(seq, now);
            if (reason != ResetReason.None)
            {
                entries.AddGap(seq, reason);
                continue;
            }
            var record = log.Entries[(int)(seq - log.FirstSeq)].Record.Committed;
            if (!entries.HasRoom(record.PayloadBytes, maxMessages, maxBytes))
                break;
            if (cache.TryGet(state.Id, seq, out var cached))
            {
                metrics.MemoryReads.Add(1);
                entries.AddMessage(seq, record.Kind, record.AcceptedAt, record.ExpiresAt, cached);
            }
            else if (await PayloadAsync(app, epoch, seq, cancellationToken) is { } payload)
            {
                metrics.TableReads.Add(1);
                entries.AddMessage(seq, record.Kind, record.AcceptedAt, record.ExpiresAt, payload);
            }
            else
            {
                // Removed since the clock was read.
                entries.AddGap(seq, ResetReason.Expired);
            }
        }
        return new ReadReply(epoch, entries.Finish(), log.Released, fromSeq - 1);
    }

    public ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(apps.Find(app)?.State.Log.Committed.KnownUsers ?? 0);
    }

    /// <summary>
    /// In a transaction: drops the payloads of finished broadcasts that expired, and the records whose retention is over; says how many.
    /// </summary>
    public int RemoveOld(WriteBatch batch, int rows)
    {
        var removed = 0;
        foreach (var app in apps.View.Working.Entries)
            removed += RemoveOld(batch, app.State, rows - removed);
        return removed;
    }

    private int RemoveOld(WriteBatch batch, AppState app, int rows)
    {
        var log = app.Log.Working;
        var retention = (long)options.BroadcastRetention.TotalMilliseconds;
        var changes = 0;
        long bytes = 0;
        foreach (var entry in log.Entries)
        {
            if (changes >= rows)
                break;
            var record = entry.Record.Working;
            if (!entry.HasPayload || record.ExpiresAt > batch.Now || !IsFinished(record.State))
                continue;
            BroadcastRows.DropPayload(batch.Connection, app.Id, record.Seq);
            bytes += record.PayloadBytes;
            changes++;
            batch.AfterCommit(() =>
            {
                entry.HasPayload = false;
                cache.Remove(app.Id, record.Seq);
            });
        }
        var dead = 0;
        while (dead < log.Entries.Length && changes + dead < rows
            && log.Entries[dead].Record.Working is var old && IsFinished(old.State) && old.ExpiresAt + retention <= batch.Now)
        {
            dead++;
        }
        if (changes + dead == 0)
            return 0;
        log = log with { Bytes = log.Bytes - bytes };
        if (dead > 0)
        {
            var first = log.FirstSeq + dead;
            log = log with { FirstSeq = first, Entries = log.Entries.RemoveRange(0, dead), Released = Math.Max(log.Released, first - 1) };
            BroadcastRows.DeleteBelow(batch.Connection, app.Id, first);
            counters.ChangeLog(app);
        }
        app.Log.Set(batch, log);
        return changes + dead;
    }

    private static bool IsFinished(TaskState state) => state is TaskState.Done or TaskState.Cancelled;

    private BroadcastReply Append(WriteBatch batch, BroadcastDraft draft, long timeToLive, byte[] payload, IdempotencyClaim? claim)
    {
        var app = apps.View.Working.Find(draft.App)!.State;
        var log = app.Log.Working;
        if (claim is not null && IdempotencyRows.Find(batch.Connection, app.Id, claim.Key, batch.Now) is { } known)
        {
            return known.Kind == IdempotencyKind.Broadcast && known.Fingerprint.AsSpan().SequenceEqual(claim.Fingerprint.Span)
                ? new BroadcastReply(WriteStatus.Replayed, log.Find(log.Epoch, BitConverter.ToInt64(known.Body))?.Record.Working)
                : new BroadcastReply(WriteStatus.Conflict, null);
        }
        if (log.Entries.Length >= options.BroadcastsPerApp || log.Bytes + payload.Length > options.BroadcastBytesPerApp)
            return new BroadcastReply(WriteStatus.Overloaded, null);
        var record = new BroadcastRecord
        {
            App = draft.App,
            Epoch = log.Epoch,
            Seq = log.Top + 1,
            State = TaskState.Queued,
            Kind = draft.Kind,
            PayloadBytes = payload.Length,
            RatePerSecond = draft.RatePerSecond,
            AcceptedAt = batch.Now,
            ExpiresAt = batch.Now + timeToLive,
        };
        BroadcastRows.Insert(batch.Connection, app.Id, record, payload);
        app.Log.Set(batch, log with
        {
            Top = record.Seq,
            Bytes = log.Bytes + payload.Length,
            Entries = log.Entries.Add(new BroadcastEntry(record, hasPayload: true)),
        });
        counters.ChangeLog(app);
        if (claim is not null)
        {
            IdempotencyRows.Put(
                batch.Connection, app.Id, claim.Key, IdempotencyKind.Broadcast, claim.Fingerprint.Span, 0, batch.Now,
                BitConverter.GetBytes(record.Seq));
        }
        batch.AfterCommit(() => cache.Add(app.Id, record.Seq, payload));
        return new BroadcastReply(WriteStatus.Stored, record);
    }

    private async ValueTask<BroadcastRecord?> ChangeAsync(
        string app, uint epoch, long seq, Fence fence, Func<BroadcastRecord, long, BroadcastRecord> change, CancellationToken cancellationToken)
    {
        if (apps.Find(app) is null)
            return null;
        var (isFenced, changed) = await writer.RunAsync<(bool, BroadcastRecord?)>(DraftOverhead, batch =>
        {
            if (!ClaimRows.Admits(batch.Connection, fence))
                return (true, null);
            var state = apps.View.Working.Find(app)!.State;
            var log = state.Log.Working;
            if (log.Find(epoch, seq) is not { } entry)
                return (false, null);
            var before = entry.Record.Working;
            var after = change(before, batch.Now);
            if (after == before)
                return (false, before);
            entry.Record.Set(batch, after);
            BroadcastRows.Update(batch.Connection, state.Id, after);
            if (after.State != before.State)
                state.Log.Set(batch, log with { Released = Release(log, seq, after.State) });
            return (false, after);
        }, cancellationToken);
        return isFenced ? throw ClaimRows.Refusal(fence) : changed;
    }

    private static long Release(LogState log, long seq, TaskState state) =>
        state is TaskState.Queued or TaskState.Paused
            ? Math.Min(log.Released, seq - 1)
            : log.CountReleased(log.Released);
}
