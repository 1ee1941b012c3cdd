using PushSystem.Contracts;
using PushSystem.Saver.Events;

namespace PushSystem.Saver.MySql;

/// <summary>One commit of the event queue: what many callers store and remove. Holds no state; called by the group commit.</summary>
internal sealed class EventCommit(IAppDirectory apps, TimeProvider clock)
{
    private const int KeysPerQuestion = 500;
    private const int IdsPerStatement = 1_000;
    private const int RowOverhead = 64;

    private const string AddTotals = "INSERT INTO event_totals (app, last_id, event_count, event_bytes) VALUES";
    private const string KeepTotals = "ON DUPLICATE KEY UPDATE last_id = last_id";
    private const string SelectTotals = "SELECT last_id, event_count, event_bytes FROM event_totals WHERE app = @app FOR UPDATE";
    private const string UpdateTotals = "UPDATE event_totals SET last_id = @last, event_count = @count, event_bytes = @bytes WHERE app = @app";
    private const string SelectKeys = "SELECT dedupe_key FROM event_keys WHERE app = @app AND created_at > @oldest AND dedupe_key IN ({0})";
    private const string InsertEvents = "INSERT INTO events (app, id, user, type, created_at, body) VALUES";
    private const string InsertKeys = "INSERT INTO event_keys (app, dedupe_key, created_at) VALUES";
    private const string ReplaceKeys = "ON DUPLICATE KEY UPDATE created_at = VALUES(created_at)";
    private const string SelectSizes = "SELECT COUNT(*), CAST(COALESCE(SUM(LENGTH(body)), 0) AS SIGNED) FROM events WHERE app = @app AND id IN ({0})";
    private const string Delete = "DELETE FROM events WHERE app = @app AND id IN ({0})";

    public async Task<IReadOnlyList<EventStatus>[]> ExecuteAsync(SqlSession session, IReadOnlyList<EventChange> changes)
    {
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        // In one order, so that two savers never wait for each other.
        var names = changes.SelectMany(change => change.Drafts.Select(draft => draft.Key.App).Append(change.App))
            .Where(app => app.Length > 0).Distinct().Order(StringComparer.Ordinal).ToList();
        var queues = new Dictionary<string, AppQueue>(StringComparer.Ordinal);
        foreach (var app in names)
            queues.Add(app, await LockAsync(session, app));
        foreach (var change in changes.Where(change => change.Removed.Length > 0))
            await RemoveAsync(session, queues[change.App], change.Removed);
        await ReadKnownKeysAsync(session, changes, queues, now);
        var statuses = await AppendAsync(session, changes, queues, now);
        foreach (var app in names)
        {
            var queue = queues[app];
            await session.RunAsync(
                UpdateTotals, ("app", queue.Key), ("last", queue.LastId), ("count", queue.Count), ("bytes", queue.Bytes));
        }
        return statuses;
    }

    private static async Task<AppQueue> LockAsync(SqlSession session, string app)
    {
        var key = SqlSession.Key(app);
        for (var attempt = 0; ; attempt++)
        {
            var rows = await session.ReadAsync(
                SelectTotals, row => new AppQueue(key, row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)), ("app", key));
            if (rows.Count > 0 || attempt > 0)
                return rows[0];
            var added = new SqlRows(session, AddTotals, KeepTotals);
            await added.AddAsync(RowOverhead, key, 0L, 0L, 0L);
            await added.FlushAsync();
        }
    }

    private static async Task RemoveAsync(SqlSession session, AppQueue queue, long[] ids)
    {
        foreach (var chunk in ids.Chunk(IdsPerStatement))
        {
            var (names, values) = SqlRows.List(chunk, ("app", queue.Key));
            var (count, bytes) = (await session.ReadAsync(
                string.Format(null, SelectSizes, names), row => (row.GetInt64(0), row.GetInt64(1)), values))[0];
            await session.RunAsync(string.Format(null, Delete, names), values);
            queue.Count -= count;
            queue.Bytes -= bytes;
        }
    }

    private static async Task ReadKnownKeysAsync(
        SqlSession session, IReadOnlyList<EventChange> changes, Dictionary<string, AppQueue> queues, long now)
    {
        var asked = changes.SelectMany(change => change.Drafts).Where(draft => draft.DedupeKey.Length > 0).GroupBy(draft => draft.Key.App);
        foreach (var app in asked)
        {
            var queue = queues[app.Key];
            foreach (var chunk in app.Select(draft => draft.DedupeKey).Distinct().Chunk(KeysPerQuestion))
            {
                var (names, values) = SqlRows.List(
                    chunk.Select(SqlSession.Key), ("app", queue.Key), ("oldest", now - SqlEventQueue.KeptFor));
                queue.KnownKeys.UnionWith(await session.ReadAsync(string.Format(null, SelectKeys, names), row => row.Key(0), values));
            }
        }
    }

    private async Task<IReadOnlyList<EventStatus>[]> AppendAsync(
        SqlSession session, IReadOnlyList<EventChange> changes, Dictionary<string, AppQueue> queues, long now)
    {
        var events = new SqlRows(session, InsertEvents);
        var keys = new SqlRows(session, InsertKeys, ReplaceKeys);
        var statuses = new IReadOnlyList<EventStatus>[changes.Count];
        for (var i = 0; i < statuses.Length; i++)
        {
            var answers = new EventStatus[changes[i].Drafts.Length];
            for (var j = 0; j < answers.Length; j++)
            {
                var draft = changes[i].Drafts[j];
                var queue = queues[draft.Key.App];
                if (draft.DedupeKey.Length > 0 && queue.KnownKeys.Contains(draft.DedupeKey))
                    continue;
                var limits = apps.Require(draft.Key.App).Limits;
                if (queue.Count >= limits.EventCount || queue.Bytes + draft.Body.Length > limits.EventBytes)
                {
                    answers[j] = EventStatus.Full;
                    continue;
                }
                queue.LastId++;
                queue.Count++;
                queue.Bytes += draft.Body.Length;
                await events.AddAsync(
                    draft.Body.Length + draft.Key.User.Length + draft.Type.Length + RowOverhead, queue.Key, queue.LastId, SqlSession.Key(draft.Key.User),
                    SqlSession.Key(draft.Type), draft.CreatedAt, draft.Body);
                if (draft.DedupeKey.Length == 0)
                    continue;
                queue.KnownKeys.Add(draft.DedupeKey);
                await keys.AddAsync(draft.DedupeKey.Length + RowOverhead, queue.Key, SqlSession.Key(draft.DedupeKey), now);
            }
            statuses[i] = answers;
        }
        await events.FlushAsync();
        await keys.FlushAsync();
        return statuses;
    }

    private sealed class AppQueue(byte[] key, long lastId, long count, long bytes)
    {
        public byte[] Key => key;
        public long LastId { get; set; } = lastId;
        public long Count { get; set; } = count;
        public long Bytes { get; set; } = bytes;
        public HashSet<string> KnownKeys { get; } = new(StringComparer.Ordinal);
    }
}
