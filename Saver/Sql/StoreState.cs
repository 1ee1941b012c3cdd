using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Broadcasts;
using PushSystem.Saver.Events;
using PushSystem.Saver.Mailboxes;

namespace PushSystem.Saver.Sql;

/// <summary>
/// What of the database is held in memory, and the order in which a transaction's parts are applied. Called by the writing thread, and
/// once by the opener before that thread runs.
/// </summary>
internal sealed class StoreState(
    AppTable apps, MailboxTable table, Journal journal, MailboxWriter mailboxes, BroadcastCounters counters, uint firstEpoch) : IWriteState
{
    private const string SelectApps = "SELECT id, app, revision, record FROM apps";

    private bool _flush;

    public void Begin(WriteBatch batch, bool flush)
    {
        _flush = flush;
        if (flush)
            mailboxes.ApplyAllNotes(batch);
    }

    public void Finish(WriteBatch batch)
    {
        journal.Trim(batch, mailboxes, _flush);
        mailboxes.WriteRows(batch);
        counters.WriteRows(batch);
    }

    public bool Committed()
    {
        journal.Committed();
        mailboxes.Committed();
        counters.Reset();
        return table.Evict();
    }

    public void RolledBack()
    {
        journal.RolledBack();
        mailboxes.RolledBack();
        counters.Reset();
    }

    public void Reload(RawConnection connection)
    {
        table.Clear();
        var rows = ReadApps(connection);
        var logs = BroadcastRows.Load(connection, rows.ToDictionary(row => row.Id, row => row.App));
        var events = SqlEventQueue.LoadTotals(connection);
        var states = rows.ToDictionary(
            row => row.Id,
            row => new AppState(row.Id, row.App, logs[row.Id], events.GetValueOrDefault(row.Id, EventTotals.None)));
        apps.Load(AppsView.Of(rows.Select(row => new AppEntry(AppRecordJson.Read(row.App, row.Revision, row.Record), states[row.Id]))));
        journal.Load(connection, table, states, firstEpoch);
    }

    private static List<(int Id, string App, long Revision, byte[] Record)> ReadApps(RawConnection connection)
    {
        var found = new List<(int, string, long, byte[])>();
        using var rows = connection.Use(SelectApps);
        while (rows.Step())
            found.Add((rows.Int(0), rows.Text(1), rows.Long(2), rows.Blob(3).ToArray()));
        return found;
    }
}
