using System.Collections.Concurrent;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Redis;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Mailboxes;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.MySql;

/// <summary>
/// <see cref="IBroadcastLog"/> with MySQL as the truth and a read copy in redis. Any thread, several savers on the same rows: the row of an
/// app's log is locked while it changes. Owned and disposed by the cluster store, before the link to redis.
/// </summary>
internal sealed class MySqlBroadcastLog : IBroadcastLog, IBroadcastView, IAsyncDisposable
{
    private readonly SqlLink _link;
    private readonly SharedKeys _keys;
    private readonly IAppDirectory _apps;
    private readonly TimeProvider _clock;
    private readonly LogCopy _copy;
    private readonly BroadcastSql _sql;
    private readonly LogReader _logs;
    private readonly AckCounts _acks;
    private readonly PayloadCache _cache;
    private readonly ConcurrentDictionary<(string App, uint Epoch), int> _cacheIds = new();
    private int _lastCacheId;

    public MySqlBroadcastLog(SqlLink link, IRedisLink redis, SharedKeys keys, IAppDirectory apps, TimeProvider clock)
    {
        _link = link;
        _keys = keys;
        _apps = apps;
        _clock = clock;
        _copy = new LogCopy(redis);
        _sql = new BroadcastSql(link, clock);
        _logs = new LogReader(_copy, _sql, link);
        _acks = new AckCounts(link, clock) { Views = _logs.Known };
        _cache = new PayloadCache(link.Options.BroadcastCacheBytes);
    }

    /// <summary>Who counts the users; set once, before the first question.</summary>
    public IKnownUsers? KnownUsers { get; set; }

    private long Now => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    public async ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(draft);
        var limits = _apps.Require(draft.App).Limits;
        if (draft.RatePerSecond < 0)
            throw new ArgumentException($"ratePerSecond: {draft.RatePerSecond} must be at least 0", nameof(draft));
        var timeToLive = StoredText.TimeToLive(draft.TimeToLive, limits);
        var payload = StoredText.Payload(draft.Payload, limits);
        var claim = IdempotencyRows.Check(draft.Claim);
        var isTaken = claim is not null && await _keys.IsTakenAsync(draft.App, claim.Key, cancellationToken);
        var reply = await _link.WriteAsync(
            BroadcastSql.Store, session => AppendAsync(session, draft, timeToLive, payload, claim, isTaken), cancellationToken);
        if (reply.Status == WriteStatus.Stored)
        {
            var record = reply.Record!;
            _cache.Add(CacheId(record.App, record.Epoch), record.Seq, payload);
            await CopyPayloadAsync(record, payload);
        }
        if (reply.Record is not null)
            await _logs.PublishAsync(draft.App);
        return reply;
    }

    public async ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        await _sql.FindAsync(app, epoch, seq, cancellationToken);

    public async ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(beforeSeq);
        return await _sql.ListAsync(app, beforeSeq == 0 ? long.MaxValue : beforeSeq, limit, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken) =>
        await _sql.UnfinishedAsync(cancellationToken);

    public async ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken)
    {
        if (_apps.Find(app) is null)
            return null;
        var log = (await _logs.GetAsync(app, cancellationToken)).State;
        return log.Find(epoch, seq)?.Record.Committed is { } record && await PayloadAsync(record, cancellationToken) is { } payload
            ? payload
            : (ReadOnlyMemory<byte>?)null;
    }

    public async ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        if (!Enum.IsDefined(next) || next == TaskState.Receiving)
            throw new ArgumentException($"next: {next} is no state of a broadcast", nameof(next));
        TaskState[] allowed = [.. from];
        var now = Now;
        var record = await ChangeAsync(app, epoch, seq, fence, record => !allowed.Contains(record.State)
            ? record
            : record with
            {
                State = next,
                StartedAt = next == TaskState.Running && record.StartedAt == 0 ? now : record.StartedAt,
                FinishedAt = next is TaskState.Done or TaskState.Cancelled ? now : 0,
            }, cancellationToken);
        // Also when nothing changed: the one who changed it may have died before it wrote the copy.
        if (record is not null)
            await _logs.PublishAsync(app);
        return record;
    }

    public async ValueTask<BroadcastRecord?> SetRateAsync(
        string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(ratePerSecond);
        return await ChangeAsync(app, epoch, seq, default, record => record with { RatePerSecond = ratePerSecond }, cancellationToken);
    }

    public async ValueTask ReportAsync(
        string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken) =>
        await ChangeAsync(
            app, epoch, seq, fence, record => record with { Targeted = targeted, Sent = sent, Offline = offline }, cancellationToken);

    public async ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken)
    {
        _apps.Require(app);
        var ends = (await _logs.GetAsync(app, cancellationToken)).Ends;
        return new StreamPosition(ends.Epoch, ends.Released);
    }

    public async ValueTask<ReadReply> ReadAsync(
        string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMessages, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        _apps.Require(app);
        var log = (await _logs.GetAsync(app, cancellationToken)).State;
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
            var record = log.Find(epoch, seq)!.Record.Committed;
            if (!entries.HasRoom(record.PayloadBytes, maxMessages, maxBytes))
                break;
            if (await PayloadAsync(record, cancellationToken) is { } payload)
                entries.AddMessage(seq, record.Kind, record.AcceptedAt, record.ExpiresAt, payload);
            else
                // Removed since the log was read.
                entries.AddGap(seq, ResetReason.Expired);
        }
        return new ReadReply(epoch, entries.Finish(), log.Released, fromSeq - 1);
    }

    public ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken) =>
        KnownUsers is { } users && _apps.Find(app) is not null ? users.CountAsync(app, cancellationToken) : ValueTask.FromResult(0L);

    public async ValueTask<BroadcastEnds> EndsAsync(string app, CancellationToken cancellationToken) =>
        (await _logs.GetAsync(app, cancellationToken)).Ends;

    public async ValueTask<(long Position, ResetReason Reason)> SkipDeadAsync(string app, long position, CancellationToken cancellationToken)
    {
        var view = _logs.Known(app) ?? await _logs.GetAsync(app, cancellationToken);
        return view.State.SkipDead(position, Now);
    }

    public void CountAcks(string app, uint epoch, long after, long to, int users) => _acks.Add(app, epoch, after, to, users);

    /// <summary>Adds the acknowledgements counted so far to the database.</summary>
    public Task FlushAcksAsync() => _acks.FlushAsync(_logs.Known);

    /// <summary>After rows of the app were removed.</summary>
    public Task PublishAsync(string app) => _logs.PublishAsync(app);

    /// <summary>One comparison of the read copies with the database.</summary>
    public Task CompareOnceAsync(CancellationToken cancellationToken) => _logs.CompareOnceAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _acks.DisposeAsync();
        await _logs.DisposeAsync();
    }

    private async Task<BroadcastReply> AppendAsync(
        SqlSession session, BroadcastDraft draft, long timeToLive, byte[] payload, IdempotencyClaim? claim, bool isTaken)
    {
        var now = Now;
        // The log first: who repeats a request waits for the one that is under way.
        var log = await _sql.LockLogAsync(session, draft.App);
        if (claim is not null && await ClaimedKeys.FindAsync(session, draft.App, claim.Key, now) is { } known)
            return await ReplayAsync(session, draft.App, claim, known);
        if (isTaken)
            return new BroadcastReply(WriteStatus.Conflict, null);
        if (log.Top - log.First + 1 >= _link.Options.BroadcastsPerApp || log.Bytes + payload.Length > _link.Options.BroadcastBytesPerApp)
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
            AcceptedAt = now,
            ExpiresAt = now + timeToLive,
        };
        if (claim is not null
            && await ClaimedKeys.TakeAsync(
                session, draft.App, claim.Key, IdempotencyKind.Broadcast, claim.Fingerprint, 0, BitConverter.GetBytes(record.Seq), now) is { } winner)
        {
            return await ReplayAsync(session, draft.App, claim, winner);
        }
        await BroadcastSql.InsertAsync(session, record, payload);
        await BroadcastSql.ChangeLogAsync(session, draft.App, log with { Top = record.Seq, Bytes = log.Bytes + payload.Length });
        return new BroadcastReply(WriteStatus.Stored, record);
    }

    private static async Task<BroadcastReply> ReplayAsync(SqlSession session, string app, IdempotencyClaim claim, IdempotencyRow known) =>
        ClaimedKeys.IsRepeated(known, IdempotencyKind.Broadcast, claim)
            ? new BroadcastReply(
                WriteStatus.Replayed, await BroadcastSql.FindAsync(session, app, null, BitConverter.ToInt64(known.Body), isLocked: false))
            : new BroadcastReply(WriteStatus.Conflict, null);

    private async Task<BroadcastRecord?> ChangeAsync(
        string app, uint epoch, long seq, Fence fence, Func<BroadcastRecord, BroadcastRecord> change, CancellationToken cancellationToken)
    {
        if (_apps.Find(app) is null)
            return null;
        return await _link.WriteAsync(
            BroadcastSql.Store,
            async session =>
            {
                await MySqlWorkClaims.CheckAsync(session, fence);
                var log = await _sql.LockLogAsync(session, app);
                if (await BroadcastSql.FindAsync(session, app, epoch, seq, isLocked: true) is not { } before)
                    return null;
                var after = change(before);
                if (after == before)
                    return before;
                await BroadcastSql.UpdateAsync(session, after);
                if (after.State != before.State)
                    await BroadcastSql.ChangeLogAsync(session, app, log);
                return after;
            },
            cancellationToken);
    }

    private async Task<byte[]?> PayloadAsync(BroadcastRecord record, CancellationToken cancellationToken)
    {
        var id = CacheId(record.App, record.Epoch);
        // What is over may be removed at any time, by any saver: only the database knows.
        var isOver = record.State is TaskState.Done or TaskState.Cancelled && record.ExpiresAt <= Now;
        if (!isOver)
        {
            if (_cache.TryGet(id, record.Seq, out var cached))
            {
                CountPayload("memory");
                return cached;
            }
            if (await CopiedPayloadAsync(record, cancellationToken) is { } copied)
            {
                CountPayload("redis");
                _cache.Add(id, record.Seq, copied);
                return copied;
            }
        }
        var payload = await _sql.PayloadAsync(record.App, record.Epoch, record.Seq, cancellationToken);
        CountPayload("database");
        if (payload is not null && !isOver)
        {
            _cache.Add(id, record.Seq, payload);
            await CopyPayloadAsync(record, payload);
        }
        return payload;
    }

    private async Task<byte[]?> CopiedPayloadAsync(BroadcastRecord record, CancellationToken cancellationToken)
    {
        try
        {
            return await _copy.PayloadAsync(record.App, record.Epoch, record.Seq, cancellationToken) is { } copied && copied.Length == record.PayloadBytes
                ? copied
                : null;
        }
        catch (RedisUnavailableException)
        {
            _link.Metrics.CopyFailures.Add(1);
            return null;
        }
    }

    private async Task CopyPayloadAsync(BroadcastRecord record, byte[] payload)
    {
        try
        {
            await _copy.PutPayloadAsync(record.App, record.Epoch, record.Seq, payload, record.ExpiresAt - Now, CancellationToken.None);
        }
        catch (RedisUnavailableException)
        {
            // Read from the database then.
            _link.Metrics.CopyFailures.Add(1);
        }
    }

    private void CountPayload(string from) => _link.Metrics.PayloadReads.Add(1, new KeyValuePair<string, object?>("from", from));

    private int CacheId(string app, uint epoch) => _cacheIds.GetOrAdd((app, epoch), _ => Interlocked.Increment(ref _lastCacheId));
}
