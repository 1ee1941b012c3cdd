using PushSystem.Contracts;
using PushSystem.Saver.Events;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.MySql;

/// <summary>
/// <see cref="IEventQueue"/> over MySQL. Any thread; events of many callers are one commit. The row of an app's totals is locked from the
/// first look at them to the commit, so ids become visible in their order. Owned and disposed by the cluster store.
/// </summary>
internal sealed class MySqlEventQueue : IEventQueue, IAsyncDisposable
{
    private const string Store = "events";
    private const int MaxKeyBytes = 512;
    private const int MaxTypeBytes = 255;
    private const int DraftOverhead = 256;

    private const string SelectSizes = "SELECT id, LENGTH(body) FROM events WHERE app = @app AND id > @after ORDER BY id LIMIT @limit";
    private const string SelectRange =
        "SELECT id, user, type, created_at, body FROM events WHERE app = @app AND id > @after AND id <= @last ORDER BY id";
    private const string SelectBacklog = "SELECT app, event_count, event_bytes FROM event_totals WHERE event_count > 0 ORDER BY app";

    private readonly SqlLink _link;
    private readonly IAppDirectory _apps;
    private readonly GroupCommit<EventChange, IReadOnlyList<EventStatus>> _commit;

    public MySqlEventQueue(SqlLink link, IAppDirectory apps, TimeProvider clock)
    {
        _link = link;
        _apps = apps;
        var rows = new EventCommit(apps, clock);
        _commit = new GroupCommit<EventChange, IReadOnlyList<EventStatus>>(link, Store, rows.ExecuteAsync);
    }

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
            _apps.Require(draft.Key.App);
            StoredText.CheckUser(draft.Key.User);
            CheckText(draft.Type, "type", MaxTypeBytes);
            CheckText(draft.DedupeKey, "dedupeKey", MaxKeyBytes);
            copies[i] = draft with { Body = draft.Body.ToArray() };
            bytes += draft.Body.Length + DraftOverhead;
        }
        return await _commit.AddAsync(new EventChange(copies, "", []), bytes, cancellationToken);
    }

    public async ValueTask<IReadOnlyList<QueuedEvent>> ReadAsync(
        string app, long afterId, int maxEvents, int maxBytes, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxEvents, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        _apps.Require(app);
        var key = SqlSession.Key(app);
        return await _link.ReadAsync(
            Store,
            async session =>
            {
                // The sizes first, so that no more than what was asked for is carried over.
                var sizes = await session.ReadAsync(
                    SelectSizes, row => (Id: row.GetInt64(0), Bytes: row.GetInt64(1)), ("app", key), ("after", afterId), ("limit", maxEvents));
                long last = 0, bytes = 0;
                foreach (var (id, size) in sizes)
                {
                    if (last != 0 && bytes + size > maxBytes)
                        break;
                    bytes += size;
                    last = id;
                }
                if (last == 0)
                    return [];
                return await session.ReadAsync(
                    SelectRange,
                    row => new QueuedEvent(row.GetInt64(0), new UserKey(app, row.Key(1)), row.Key(2), row.GetInt64(3), row.Bytes(4)), ("app", key),
                    ("after", afterId), ("last", last));
            },
            cancellationToken);
    }

    public async ValueTask RemoveAsync(string app, IReadOnlyList<long> ids, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(ids);
        _apps.Require(app);
        if (ids.Count == 0)
            return;
        long[] copies = [.. ids.Distinct().Order()];
        await _commit.AddAsync(new EventChange([], app, copies), 64 + (16L * copies.Length), cancellationToken);
    }

    public async ValueTask<IReadOnlyList<EventBacklog>> BacklogAsync(CancellationToken cancellationToken) =>
        await _link.ReadAsync(
            Store,
            session => session.ReadAsync(SelectBacklog, row => new EventBacklog(row.Key(0), row.GetInt64(1), row.GetInt64(2))),
            cancellationToken);

    public ValueTask DisposeAsync() => _commit.DisposeAsync();

    private static void CheckText(string text, string field, int most)
    {
        var bytes = StoredText.ByteCount(text, field);
        if (bytes > most)
            throw new ArgumentException($"{field}: {bytes} bytes, at most {most} are allowed");
    }
}

/// <summary>Events to be stored, or ids of an app to be removed.</summary>
internal sealed record EventChange(EventDraft[] Drafts, string App, long[] Removed);
