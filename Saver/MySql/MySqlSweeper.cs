using PushSystem.Contracts;
using PushSystem.Saver.Events;
using PushSystem.Saver.Idempotency;

namespace PushSystem.Saver.MySql;

/// <summary>
/// Removes from the database what expired: a bounded number of rows per transaction, with a pause in between. Of all savers one does a
/// round, the one that gets the database's lock for it. One background loop; disposed by the cluster store before the stores.
/// </summary>
internal sealed class MySqlSweeper : IAsyncDisposable
{
    private const string Store = "sweep";

    // With more to remove than one round may, the next round comes this much sooner.
    private const int Haste = 10;

    // A task whose list never became complete is removed after this time.
    private const long ReceivingTime = 3_600_000;

    // An ended task's parts stay a little longer, so that who works on one learns of the end instead of being told that it lost it.
    private const long PartsTime = 60_000;

    private const string LockName = "CONCAT('push-sweep-', LEFT(MD5(DATABASE()), 16))";
    private const string DeleteKeys = "DELETE FROM idempotency WHERE created_at <= @old ORDER BY created_at LIMIT @rows";
    private const string DeleteEventKeys = "DELETE FROM event_keys WHERE created_at <= @old ORDER BY created_at LIMIT @rows";
    private const string EndExpired =
        "UPDATE multicasts SET state = 3, finished_at = @now WHERE state IN (0, 1, 2) AND expires_at <= @now ORDER BY id LIMIT @rows";
    private const string SelectFilled =
        "SELECT id FROM multicasts WHERE has_payload = 1 AND finished_at > 0 AND finished_at <= @old ORDER BY finished_at LIMIT @rows";
    private const string DropPayload = "UPDATE multicasts SET payload = NULL, has_payload = 0 WHERE id = @id";
    private const string SelectForgotten =
        "(SELECT id FROM multicasts WHERE state = 5 AND accepted_at <= @receiving ORDER BY id LIMIT @rows) UNION ALL "
        + "(SELECT id FROM multicasts WHERE has_payload = 0 AND finished_at > 0 AND finished_at <= @ended ORDER BY finished_at LIMIT @rows)";
    private const string SelectOldPayloads =
        "SELECT app, seq FROM broadcasts WHERE has_payload = 1 AND expires_at <= @now AND state IN (3, 4) ORDER BY expires_at LIMIT @rows";
    private const string LockPayloads =
        "SELECT seq, payload_bytes FROM broadcasts WHERE app = @app AND has_payload = 1 AND expires_at <= @now AND state IN (3, 4) AND seq IN ({0}) FOR UPDATE";
    private const string DropPayloads = "UPDATE broadcasts SET payload = NULL, has_payload = 0 WHERE app = @app AND seq IN ({0})";
    private const string SelectOldLogs =
        "SELECT l.app FROM broadcast_logs l JOIN broadcasts b ON b.app = l.app AND b.seq = l.first_seq WHERE b.state IN (3, 4) AND b.expires_at <= @old LIMIT @rows";
    private const string SelectFirstKept =
        "SELECT MIN(seq) FROM broadcasts WHERE app = @app AND NOT (state IN (3, 4) AND expires_at <= @old)";
    private const string SelectBytes =
        "SELECT CAST(COALESCE(SUM(payload_bytes), 0) AS SIGNED) FROM broadcasts WHERE app = @app AND seq < @first AND has_payload = 1";
    private const string DeleteEntries = "DELETE FROM broadcasts WHERE app = @app AND seq < @first";

    private readonly SqlLink _link;
    private readonly BroadcastSql _broadcasts;
    private readonly MySqlBroadcastLog _log;
    private readonly TimeProvider _clock;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;

    public MySqlSweeper(SqlLink link, MySqlBroadcastLog log, TimeProvider clock)
    {
        _link = link;
        _broadcasts = new BroadcastSql(link, clock);
        _log = log;
        _clock = clock;
        _loop = Task.Run(RunAsync);
    }

    private long Now => _clock.GetUtcNow().ToUnixTimeMilliseconds();

    private int Rows => _link.Options.SweepRows;

    /// <summary>One round, if nobody else is at it; true when a kind of rows reached its bound and there may be more.</summary>
    public async Task<bool> SweepAsync(CancellationToken cancellationToken) => await _link.ReadAsync(
        Store,
        async session =>
        {
            if (await session.NumberAsync($"SELECT GET_LOCK({LockName}, 0)") != 1)
                return false;
            try
            {
                return await SweepLockedAsync(cancellationToken);
            }
            finally
            {
                await session.NumberAsync($"SELECT RELEASE_LOCK({LockName})");
            }
        },
        cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
    }

    private async Task<bool> SweepLockedAsync(CancellationToken cancellationToken)
    {
        var now = Now;
        var most = 0;
        await CountAsync("idempotency", DeleteAsync(DeleteKeys, now - IdempotencyRows.KeptFor));
        await CountAsync("event_keys", DeleteAsync(DeleteEventKeys, now - SqlEventQueue.KeptFor));
        await CountAsync("broadcast_payloads", DropPayloadsAsync(now, cancellationToken));
        await CountAsync("broadcasts", DeleteEntriesAsync(now - (long)_link.Options.Retention.TotalMilliseconds, cancellationToken));
        await CountAsync("multicasts_expired", _link.WriteAsync(Store, session => session.RunAsync(EndExpired, ("now", now), ("rows", Rows)), cancellationToken));
        await CountAsync("multicast_parts", DropPartsAsync(now - PartsTime, cancellationToken));
        await CountAsync("multicasts", ForgetAsync(now, cancellationToken));
        return most >= Rows;

        Task<int> DeleteAsync(string text, long old) =>
            _link.WriteAsync(Store, session => session.RunAsync(text, ("old", old), ("rows", Rows)), cancellationToken);

        async Task CountAsync(string kind, Task<int> removing)
        {
            var removed = await removing;
            most = Math.Max(most, removed);
            if (removed > 0)
                _link.Metrics.Swept.Add(removed, new KeyValuePair<string, object?>("kind", kind));
        }
    }

    private async Task<int> DropPayloadsAsync(long now, CancellationToken cancellationToken)
    {
        var old = await _link.ReadAsync(
            Store, session => session.ReadAsync(SelectOldPayloads, row => (App: row.Key(0), Seq: row.GetInt64(1)), ("now", now), ("rows", Rows)),
            cancellationToken);
        foreach (var app in old.GroupBy(row => row.App, row => row.Seq))
        {
            await _link.WriteAsync(
                Store,
                async session =>
                {
                    var log = await _broadcasts.LockLogAsync(session, app.Key);
                    var (names, values) = SqlRows.List(app, ("app", SqlSession.Key(app.Key)), ("now", now));
                    var rows = await session.ReadAsync(
                        string.Format(null, LockPayloads, names), row => (Seq: row.GetInt64(0), Bytes: row.GetInt64(1)), values);
                    if (rows.Count == 0)
                        return false;
                    (names, values) = SqlRows.List(rows.Select(row => row.Seq), ("app", SqlSession.Key(app.Key)));
                    await session.RunAsync(string.Format(null, DropPayloads, names), values);
                    await BroadcastSql.ChangeLogAsync(session, app.Key, log with { Bytes = log.Bytes - rows.Sum(row => row.Bytes) });
                    return true;
                },
                cancellationToken);
            await _log.PublishAsync(app.Key);
        }
        return old.Count;
    }

    private async Task<int> DeleteEntriesAsync(long old, CancellationToken cancellationToken)
    {
        var removed = 0;
        var apps = await _link.ReadAsync(
            Store, session => session.ReadAsync(SelectOldLogs, row => row.Key(0), ("old", old), ("rows", Rows)), cancellationToken);
        foreach (var app in apps)
        {
            var key = SqlSession.Key(app);
            removed += await _link.WriteAsync(
                Store,
                async session =>
                {
                    var log = await _broadcasts.LockLogAsync(session, app);
                    var kept = await session.NumberAsync(SelectFirstKept, ("app", key), ("old", old)) ?? log.Top + 1;
                    var first = Math.Min(kept, log.First + Rows);
                    if (first <= log.First)
                        return 0;
                    var bytes = await session.NumberAsync(SelectBytes, ("app", key), ("first", first)) ?? 0;
                    var rows = await session.RunAsync(DeleteEntries, ("app", key), ("first", first));
                    await BroadcastSql.ChangeLogAsync(session, app, log with { First = first, Bytes = log.Bytes - bytes });
                    return rows;
                },
                cancellationToken);
            await _log.PublishAsync(app);
        }
        return removed;
    }

    private async Task<int> DropPartsAsync(long old, CancellationToken cancellationToken)
    {
        var removed = 0;
        var ids = await _link.ReadAsync(
            Store, session => session.ReadAsync(SelectFilled, row => row.GetInt64(0), ("old", old), ("rows", Rows)), cancellationToken);
        foreach (var id in ids)
        {
            if (removed >= Rows)
                break;
            removed += await _link.WriteAsync(
                Store,
                async session =>
                {
                    var wanted = Rows - removed;
                    var parts = await MulticastSql.DeletePartsAsync(session, id, wanted);
                    return parts < wanted ? parts + await session.RunAsync(DropPayload, ("id", id)) : parts;
                },
                cancellationToken);
        }
        return removed;
    }

    private async Task<int> ForgetAsync(long now, CancellationToken cancellationToken)
    {
        var removed = 0;
        var ids = await _link.ReadAsync(
            Store,
            session => session.ReadAsync(
                SelectForgotten, row => row.GetInt64(0), ("receiving", now - ReceivingTime), ("ended", now - (long)_link.Options.Retention.TotalMilliseconds),
                ("rows", Rows)),
            cancellationToken);
        foreach (var id in ids)
        {
            if (removed >= Rows)
                break;
            removed += await _link.WriteAsync(
                Store,
                async session =>
                {
                    // It may have been sealed since it was looked at.
                    if (await MulticastSql.LockAsync(session, id) is not { } task
                        || (task.Record.State == TaskState.Receiving ? task.Record.AcceptedAt > now - ReceivingTime : !MulticastSql.IsEnded(task.Record.State)))
                    {
                        return 0;
                    }
                    var wanted = Rows - removed;
                    var parts = await MulticastSql.DeletePartsAsync(session, id, wanted);
                    if (parts == wanted)
                        return parts;
                    await MulticastSql.DeleteAsync(session, id);
                    return parts + 1;
                },
                cancellationToken);
        }
        return removed;
    }

    private async Task RunAsync()
    {
        var more = false;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var pause = more ? _link.Options.SweepInterval / Haste : _link.Options.SweepInterval;
                await Task.Delay(pause, TimeProvider.System, _stopping.Token);
                more = await SweepAsync(_stopping.Token);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (StoreUnavailableException)
            {
                // Told by the link already.
                more = false;
            }
            catch (Exception exception)
            {
                more = false;
                SaverLog.DatabaseSweepFailed(_link.Logger, exception);
            }
        }
    }
}
