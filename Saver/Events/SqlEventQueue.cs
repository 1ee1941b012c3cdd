using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Events;

/// <summary>What waits for an app's webhook; immutable.</summary>
internal sealed record EventTotals(long Count, long Bytes)
{
    public static readonly EventTotals None = new(0, 0);
}

/// <summary>
/// <see cref="IEventQueue"/> over SQLite. Any thread; the totals per app live in <see cref="AppState"/> and change with the transaction.
/// </summary>
internal sealed class SqlEventQueue(AppTable apps, GroupCommitWriter writer, ReaderPool readers) : IEventQueue
{
    /// <summary>How long a dedupe key is kept, milliseconds.</summary>
    public const long KeptFor = 24 * 3_600_000L;

    private const int MaxKeyBytes = 512;
    private const int MaxTypeBytes = 255;
    private const int DraftOverhead = 256;

    private const string Insert = "INSERT INTO events (app_id, user, type, created_at, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    private const string Select = "SELECT id, user, type, created_at, body FROM events WHERE app_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    private const string SelectSize = "SELECT length(body) FROM events WHERE id = ?1 AND app_id = ?2";
    private const string Delete = "DELETE FROM events WHERE id = ?1";
    private const string SelectKey = "SELECT created_at FROM event_keys WHERE app_id = ?1 AND key = ?2";
    private const string PutKey = "INSERT OR REPLACE INTO event_keys (app_id, key, created_at) VALUES (?1, ?2, ?3)";
    private const string SweepKeys =
        "DELETE FROM event_keys WHERE (app_id, key) IN (SELECT app_id, key FROM event_keys WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)";
    private const string SelectTotals = "SELECT app_id, count(*), sum(length(body)) FROM events GROUP BY app_id";

    public async ValueTask<IReadOnlyList<EventStatus>> AppendAsync(IReadOnlyList<EventDraft> drafts, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(drafts);
        if (drafts.Count == 0)
            return [];
        var copies = new EventDraft[drafts.Count];
        long bytes = 0;
        for (var i = 0; i < copies.Length; i++)
        {
            var draft = drafts[i];
            apps.Require(draft.Key.App);
            StoredText.CheckUser(draft.Key.User);
            CheckText(draft.Type, "type", MaxTypeBytes);
            CheckText(draft.DedupeKey, "dedupeKey", MaxKeyBytes);
            copies[i] = draft with { Body = draft.Body.ToArray() };
            bytes += draft.Body.Length + DraftOverhead;
        }
        return await writer.RunAsync((int)Math.Min(bytes, int.MaxValue), batch => Append(batch, copies), cancellationToken);
    }

    public ValueTask<IReadOnlyList<QueuedEvent>> ReadAsync(
        string app, long afterId, int maxEvents, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxEvents, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        return readers.ReadAsync<(string App, int Id, long After, int Events, int Bytes), IReadOnlyList<QueuedEvent>>(
            (app, apps.Require(app).State.Id, afterId, maxEvents, maxBytes),
            static (connection, state) =>
            {
                var events = new List<QueuedEvent>();
                var bytes = 0;
                using var rows = connection.Use(Select).Bind(1, state.Id).Bind(2, state.After).Bind(3, state.Events);
                while (rows.Step())
                {
                    var body = rows.Blob(4);
                    if (events.Count > 0 && bytes + body.Length > state.Bytes)
                        break;
                    bytes += body.Length;
                    events.Add(new QueuedEvent(
                        rows.Long(0), new UserKey(state.App, rows.Text(1)), rows.Text(2), rows.Long(3), body.ToArray()));
                }
                return events;
            },
            cancellationToken);
    }

    public async ValueTask RemoveAsync(string app, IReadOnlyList<long> ids, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(ids);
        apps.Require(app);
        if (ids.Count == 0)
            return;
        long[] copies = [.. ids];
        await writer.RunAsync(
            64 + (8 * copies.Length),
            batch =>
            {
                var state = apps.View.Working.Find(app)!.State;
                var totals = state.Events.Working;
                foreach (var id in copies)
                {
                    long size;
                    using (var row = batch.Connection.Use(SelectSize).Bind(1, id).Bind(2, state.Id))
                    {
                        if (!row.Step())
                            continue;
                        size = row.Long(0);
                    }
                    batch.Connection.Use(Delete).Bind(1, id).Run();
                    totals = new EventTotals(totals.Count - 1, totals.Bytes - size);
                }
                state.Events.Set(batch, totals);
                return true;
            },
            cancellationToken);
    }

    public ValueTask<IReadOnlyList<EventBacklog>> BacklogAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var backlog = new List<EventBacklog>();
        foreach (var entry in apps.View.Committed.Entries)
        {
            var totals = entry.State.Events.Committed;
            if (totals.Count > 0)
                backlog.Add(new EventBacklog(entry.State.App, totals.Count, totals.Bytes));
        }
        return ValueTask.FromResult<IReadOnlyList<EventBacklog>>(backlog);
    }

    /// <summary>The totals of all apps that have events.</summary>
    public static Dictionary<int, EventTotals> LoadTotals(RawConnection connection)
    {
        var totals = new Dictionary<int, EventTotals>();
        using var rows = connection.Use(SelectTotals);
        while (rows.Step())
            totals.Add(rows.Int(0), new EventTotals(rows.Long(1), rows.Long(2)));
        return totals;
    }

    /// <summary>Removes old dedupe keys; says how many.</summary>
    public static int RemoveOldKeys(RawConnection connection, long now, int rows)
    {
        connection.Use(SweepKeys).Bind(1, now - KeptFor).Bind(2, rows).Run();
        return connection.Changes;
    }

    private IReadOnlyList<EventStatus> Append(WriteBatch batch, EventDraft[] drafts)
    {
        var statuses = new EventStatus[drafts.Length];
        for (var i = 0; i < drafts.Length; i++)
        {
            var draft = drafts[i];
            var app = apps.View.Working.Find(draft.Key.App)!;
            if (draft.DedupeKey.Length > 0 && IsKnown(batch, app.State.Id, draft.DedupeKey))
                continue;
            var totals = app.State.Events.Working;
            var limits = app.Record.Limits;
            if (totals.Count >= limits.EventCount || totals.Bytes + draft.Body.Length > limits.EventBytes)
            {
                statuses[i] = EventStatus.Full;
                continue;
            }
            batch.Connection.Use(Insert).Bind(1, app.State.Id).Bind(2, draft.Key.User).Bind(3, draft.Type).Bind(4, draft.CreatedAt)
                .Bind(5, draft.Body.Span).Run();
            if (draft.DedupeKey.Length > 0)
                batch.Connection.Use(PutKey).Bind(1, app.State.Id).Bind(2, draft.DedupeKey).Bind(3, batch.Now).Run();
            app.State.Events.Set(batch, new EventTotals(totals.Count + 1, totals.Bytes + draft.Body.Length));
        }
        return statuses;
    }

    private static bool IsKnown(WriteBatch batch, int app, string key)
    {
        using var row = batch.Connection.Use(SelectKey).Bind(1, app).Bind(2, key);
        return row.Step() && row.Long(0) > batch.Now - KeptFor;
    }

    private static void CheckText(string text, string field, int most)
    {
        var bytes = StoredText.ByteCount(text, field);
        if (bytes > most)
            throw new ArgumentException($"{field}: {bytes} bytes, at most {most} are allowed");
    }
}
