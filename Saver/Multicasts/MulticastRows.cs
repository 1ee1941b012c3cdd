using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Multicasts;

/// <summary>The SQL of multicasts. Stateless; the connection's owner calls it.</summary>
internal static class MulticastRows
{
    private const string Columns =
        "m.id, a.app, m.state, m.level, m.kind, m.payload_bytes, m.rate, m.accepted_at, m.expires_at, m.started_at, m.finished_at, "
        + "m.targeted, m.accepted, m.refused, m.online, m.parts_left FROM multicasts m JOIN apps a ON a.id = m.app_id ";
    private const string InsertRow =
        "INSERT INTO multicasts (app_id, state, level, kind, payload_bytes, rate, accepted_at, expires_at, started_at, finished_at, "
        + "targeted, accepted, refused, online, parts_left, payload) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, 0, 0, 0, 0, 0, ?9)";
    private const string UpdateRow =
        "UPDATE multicasts SET state = ?2, rate = ?3, accepted_at = ?4, expires_at = ?5, started_at = ?6, finished_at = ?7, targeted = ?8, "
        + "accepted = ?9, refused = ?10, online = ?11, parts_left = ?12 WHERE id = ?1";
    private const string SelectOne = "SELECT " + Columns + "WHERE m.id = ?1 AND a.app = ?2";
    private const string SelectPage =
        "SELECT " + Columns + "WHERE m.app_id = (SELECT id FROM apps WHERE app = ?1) AND m.id < ?2 AND m.state <> 5 ORDER BY m.id DESC LIMIT ?3";
    private const string SelectTakeable =
        "SELECT " + Columns + "WHERE m.finished_at = 0 AND m.state IN (0, 1) AND m.expires_at > ?1 ORDER BY m.id";
    private const string SelectPayload =
        "SELECT m.payload FROM multicasts m JOIN apps a ON a.id = m.app_id WHERE m.id = ?1 AND a.app = ?2";
    private const string EndExpiredRows =
        "UPDATE multicasts SET state = 3, finished_at = ?1 WHERE finished_at = 0 AND state IN (0, 1, 2) AND expires_at <= ?1";
    private const string SelectForgotten =
        "SELECT id FROM multicasts WHERE finished_at = 0 AND state = 5 AND accepted_at <= ?1 "
        + "UNION ALL SELECT id FROM multicasts WHERE finished_at > 0 AND finished_at <= ?2 LIMIT ?3";
    private const string SelectFilled =
        "SELECT id FROM multicasts WHERE finished_at > 0 AND payload IS NOT NULL AND finished_at <= ?1 LIMIT ?2";
    private const string DropPayloadSql = "UPDATE multicasts SET payload = NULL WHERE id = ?1";
    private const string DeleteRow = "DELETE FROM multicasts WHERE id = ?1";

    public static long Insert(RawConnection connection, int app, MulticastRecord record, ReadOnlySpan<byte> payload)
    {
        connection.Use(InsertRow).Bind(1, app).Bind(2, (long)record.State).Bind(3, (long)record.Level).Bind(4, (long)record.Kind)
            .Bind(5, record.PayloadBytes).Bind(6, record.RatePerSecond).Bind(7, record.AcceptedAt).Bind(8, record.ExpiresAt)
            .Bind(9, payload).Run();
        return connection.LastRowId;
    }

    public static void Update(RawConnection connection, MulticastRecord record, int partsLeft) =>
        connection.Use(UpdateRow).Bind(1, record.Id).Bind(2, (long)record.State).Bind(3, record.RatePerSecond).Bind(4, record.AcceptedAt)
            .Bind(5, record.ExpiresAt).Bind(6, record.StartedAt).Bind(7, record.FinishedAt).Bind(8, record.Targeted)
            .Bind(9, record.Accepted).Bind(10, record.Refused).Bind(11, record.Online).Bind(12, partsLeft).Run();

    /// <summary>The record in any state, with the number of parts that are not done.</summary>
    public static (MulticastRecord Record, int PartsLeft)? Find(RawConnection connection, string app, long id)
    {
        using var row = connection.Use(SelectOne).Bind(1, id).Bind(2, app);
        return row.Step() ? Read(row) : null;
    }

    public static List<MulticastRecord> List(RawConnection connection, string app, long beforeId, int limit)
    {
        var records = new List<MulticastRecord>();
        using var rows = connection.Use(SelectPage).Bind(1, app).Bind(2, beforeId).Bind(3, limit);
        while (rows.Step())
            records.Add(Read(rows).Record);
        return records;
    }

    /// <summary>Queued and running ones that have not expired, oldest first.</summary>
    public static List<(MulticastRecord Record, int PartsLeft)> Takeable(RawConnection connection, long now)
    {
        var records = new List<(MulticastRecord, int)>();
        using var rows = connection.Use(SelectTakeable).Bind(1, now);
        while (rows.Step())
            records.Add(Read(rows));
        return records;
    }

    public static byte[]? Payload(RawConnection connection, string app, long id)
    {
        using var row = connection.Use(SelectPayload).Bind(1, id).Bind(2, app);
        return row.Step() && !row.IsNull(0) ? row.Blob(0).ToArray() : null;
    }

    /// <summary>Ends those whose time is over; says how many.</summary>
    public static int EndExpired(RawConnection connection, long now)
    {
        connection.Use(EndExpiredRows).Bind(1, now).Run();
        return connection.Changes;
    }

    /// <summary>Those that have been receiving since that time or earlier, and those that ended at the other one or earlier.</summary>
    public static List<long> Forgotten(RawConnection connection, long receivingSince, long endedAt, int limit) =>
        Ids(connection.Use(SelectForgotten).Bind(1, receivingSince).Bind(2, endedAt).Bind(3, limit));

    /// <summary>Those that ended at that time or earlier and still have their payload.</summary>
    public static List<long> Filled(RawConnection connection, long endedAt, int limit) =>
        Ids(connection.Use(SelectFilled).Bind(1, endedAt).Bind(2, limit));

    public static void DropPayload(RawConnection connection, long id) => connection.Use(DropPayloadSql).Bind(1, id).Run();

    public static void Delete(RawConnection connection, long id) => connection.Use(DeleteRow).Bind(1, id).Run();

    private static List<long> Ids(RawStatement statement)
    {
        var ids = new List<long>();
        using var rows = statement;
        while (rows.Step())
            ids.Add(rows.Long(0));
        return ids;
    }

    private static (MulticastRecord Record, int PartsLeft) Read(RawStatement row) => (new MulticastRecord
    {
        Id = row.Long(0),
        App = row.Text(1),
        State = (TaskState)row.Int(2),
        Level = (Durability)row.Int(3),
        Kind = (PayloadKind)row.Int(4),
        PayloadBytes = row.Int(5),
        RatePerSecond = row.Int(6),
        AcceptedAt = row.Long(7),
        ExpiresAt = row.Long(8),
        StartedAt = row.Long(9),
        FinishedAt = row.Long(10),
        Targeted = row.Long(11),
        Accepted = row.Long(12),
        Refused = row.Long(13),
        Online = row.Long(14),
    }, row.Int(15));
}
