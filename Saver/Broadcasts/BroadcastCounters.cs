using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Broadcasts;

/// <summary>
/// Gathers what many users change in one batch, so that each broadcast and each log is written once per commit. Writing thread only.
/// </summary>
internal sealed class BroadcastCounters
{
    private readonly Dictionary<BroadcastEntry, (AppState App, long Acks)> _acks = [];
    private readonly List<AppState> _logs = [];

    /// <summary>
    /// A user's cursor moved over (from, to]. Cancelled broadcasts and those that had expired were told as a gap and do not count.
    /// </summary>
    public void CountAcks(AppState app, long from, long to, long at)
    {
        var log = app.Log.Working;
        for (var seq = Math.Max(from + 1, log.FirstSeq); seq <= Math.Min(to, log.Top); seq++)
        {
            var entry = log.Entries[(int)(seq - log.FirstSeq)];
            var record = entry.Record.Working;
            if (record.State == TaskState.Cancelled || record.ExpiresAt <= at)
                continue;
            _acks.TryGetValue(entry, out var counted);
            _acks[entry] = (app, counted.Acks + 1);
        }
    }

    /// <summary>One more user of the app was bound for the first time.</summary>
    public void CountUser(WriteBatch batch, AppState app)
    {
        app.Log.Set(batch, app.Log.Working with { KnownUsers = app.Log.Working.KnownUsers + 1 });
        ChangeLog(app);
    }

    /// <summary>The log's row is to be written in this batch.</summary>
    public void ChangeLog(AppState app)
    {
        if (app.LogChanged)
            return;
        app.LogChanged = true;
        _logs.Add(app);
    }

    /// <summary>In the transaction, after the writes.</summary>
    public void WriteRows(WriteBatch batch)
    {
        foreach (var (entry, (app, acks)) in _acks)
        {
            var record = entry.Record.Working with { Acked = entry.Record.Working.Acked + acks };
            entry.Record.Set(batch, record);
            BroadcastRows.Update(batch.Connection, app.Id, record);
        }
        foreach (var app in _logs)
            BroadcastRows.UpdateLog(batch.Connection, app.Id, app.Log.Working);
        Reset();
    }

    /// <summary>After a commit or a rollback.</summary>
    public void Reset()
    {
        _acks.Clear();
        foreach (var app in _logs)
            app.LogChanged = false;
        _logs.Clear();
    }
}
