using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Broadcasts;

/// <summary>The SQL of broadcast logs. Stateless; the connection's owner calls it.</summary>
internal static class BroadcastRows
{
    private const string InsertRow =
        "INSERT INTO broadcasts (app_id, seq, state, kind, payload_bytes, rate, accepted_at, expires_at, started_at, finished_at, targeted, sent, acked, offline, payload) "
        + "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 0, 0, 0, ?9)";
    private const string UpdateRow =
        "UPDATE broadcasts SET state = ?3, rate = ?4, started_at = ?5, finished_at = ?6, targeted = ?7, sent = ?8, acked = ?9, offline = ?10 "
        + "WHERE app_id = ?1 AND seq = ?2";
    private const string UpdateLogRow = "UPDATE broadcast_logs SET epoch = ?2, first_seq = ?3, top = ?4, known_users = ?5 WHERE app_id = ?1";
    private const string SelectLogs = "SELECT app_id, epoch, first_seq, top, known_users FROM broadcast_logs";
    private const string SelectRows =
        "SELECT seq, state, kind, payload_bytes, rate, accepted_at, expires_at, started_at, finished_at, targeted, sent, acked, offline, payload IS NOT NULL "
        + "FROM broadcasts WHERE app_id = ?1 AND seq >= ?2 ORDER BY seq";
    private const string SelectPayload = "SELECT payload FROM broadcasts WHERE app_id = ?1 AND seq = ?2";
    private const string DropPayloadSql = "UPDATE broadcasts SET payload = NULL WHERE app_id = ?1 AND seq = ?2";
    private const string DeleteRows = "DELETE FROM broadcasts WHERE app_id = ?1 AND seq < ?2";

    public static void Insert(RawConnection connection, int app, BroadcastRecord record, ReadOnlySpan<byte> payload) =>
        connection.Use(InsertRow).Bind(1, app).Bind(2, record.Seq).Bind(3, (long)record.State).Bind(4, (long)record.Kind)
            .Bind(5, record.PayloadBytes).Bind(6, record.RatePerSecond).Bind(7, record.AcceptedAt).Bind(8, record.ExpiresAt)
            .Bind(9, payload).Run();

    public static void Update(RawConnection connection, int app, BroadcastRecord record) =>
        connection.Use(UpdateRow).Bind(1, app).Bind(2, record.Seq).Bind(3, (long)record.State).Bind(4, record.RatePerSecond)
            .Bind(5, record.StartedAt).Bind(6, record.FinishedAt).Bind(7, record.Targeted).Bind(8, record.Sent).Bind(9, record.Acked)
            .Bind(10, record.Offline).Run();

    public static void UpdateLog(RawConnection connection, int app, LogState log) =>
        connection.Use(UpdateLogRow).Bind(1, app).Bind(2, log.Epoch).Bind(3, log.FirstSeq).Bind(4, log.Top).Bind(5, log.KnownUsers).Run();

    public static void DropPayload(RawConnection connection, int app, long seq) =>
        connection.Use(DropPayloadSql).Bind(1, app).Bind(2, seq).Run();

    public static void DeleteBelow(RawConnection connection, int app, long seq) =>
        connection.Use(DeleteRows).Bind(1, app).Bind(2, seq).Run();

    /// <summary>Null when the row or its payload is gone.</summary>
    public static byte[]? Payload(RawConnection connection, int app, long seq)
    {
        using var row = connection.Use(SelectPayload).Bind(1, app).Bind(2, seq);
        return row.Step() && !row.IsNull(0) ? row.Blob(0).ToArray() : null;
    }

    /// <summary>All logs by app number.</summary>
    public static Dictionary<int, LogState> Load(RawConnection connection, IReadOnlyDictionary<int, string> apps)
    {
        var logs = new Dictionary<int, LogState>();
        using (var rows = connection.Use(SelectLogs))
        {
            while (rows.Step())
            {
                logs.Add(rows.Int(0), new LogState
                {
                    Epoch = (uint)rows.Long(1),
                    FirstSeq = rows.Long(2),
                    Top = rows.Long(3),
                    KnownUsers = rows.Long(4),
                });
            }
        }
        foreach (var (app, log) in logs.ToArray())
        {
            var loaded = log with { Entries = [.. LoadEntries(connection, app, apps[app], log)] };
            if (loaded.Entries.Length != log.Top - log.FirstSeq + 1)
                throw new InvalidDataException($"The broadcast log of app '{apps[app]}' has {loaded.Entries.Length} entries from {log.FirstSeq} to {log.Top}.");
            logs[app] = loaded with
            {
                Released = loaded.CountReleased(0),
                Bytes = loaded.Entries.Where(entry => entry.HasPayload).Sum(entry => (long)entry.Record.Committed.PayloadBytes),
            };
        }
        return logs;
    }

    private static List<BroadcastEntry> LoadEntries(RawConnection connection, int app, string name, LogState log)
    {
        var entries = new List<BroadcastEntry>();
        using var rows = connection.Use(SelectRows).Bind(1, app).Bind(2, log.FirstSeq);
        while (rows.Step())
        {
            var record = new BroadcastRecord
            {
                App = name,
                Epoch = log.Epoch,
                Seq = rows.Long(0),
                State = (TaskState)rows.Int(1),
                Kind = (PayloadKind)rows.Int(2),
                PayloadBytes = rows.Int(3),
                RatePerSecond = rows.Int(4),
                AcceptedAt = rows.Long(5),
                ExpiresAt = rows.Long(6),
                StartedAt = rows.Long(7),
                FinishedAt = rows.Long(8),
                Targeted = rows.Long(9),
                Sent = rows.Long(10),
                Acked = rows.Long(11),
                Offline = rows.Long(12),
            };
            entries.Add(new BroadcastEntry(record, rows.Long(13) != 0));
        }
        return entries;
    }
}
