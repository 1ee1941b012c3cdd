using System.Data.Common;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.MySql;

/// <summary>What the SQL of multicasts has in common. Stateless.</summary>
internal static class MulticastSql
{
    /// <summary>Most rows that one statement removes; a list has at most that many parts.</summary>
    public const int AllParts = 1_000_000;

    private const string Columns =
        "id, app, state, level, kind, payload_bytes, rate, accepted_at, expires_at, started_at, finished_at, targeted, accepted, refused, online, "
        + "parts_left FROM multicasts ";
    private const string SelectOne = "SELECT " + Columns + "WHERE id = @id AND app = @app";
    private const string SelectById = "SELECT " + Columns + "WHERE id = @id FOR UPDATE";
    private const string SelectPage =
        "SELECT " + Columns + "WHERE app = @app AND id < @before AND state <> 5 ORDER BY id DESC LIMIT @limit";
    private const string UpdateRow =
        "UPDATE multicasts SET state = @state, rate = @rate, accepted_at = @accepted_at, expires_at = @expires_at, started_at = @started_at, "
        + "finished_at = @finished_at, targeted = @targeted, accepted = @accepted, refused = @refused, online = @online, parts_left = @parts_left "
        + "WHERE id = @id";
    private const string DeleteParts = "DELETE FROM multicast_parts WHERE multicast_id = @id LIMIT @rows";
    private const string DeleteRow = "DELETE FROM multicasts WHERE id = @id";

    /// <summary>The record in any state, with the number of parts that are not done.</summary>
    public static async Task<(MulticastRecord Record, int PartsLeft)?> FindAsync(SqlSession session, string app, long id, bool isLocked = false)
    {
        var rows = await session.ReadAsync(SelectOne + (isLocked ? " FOR UPDATE" : ""), Read, ("id", id), ("app", SqlSession.Key(app)));
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>The same of any app, locked.</summary>
    public static async Task<(MulticastRecord Record, int PartsLeft)?> LockAsync(SqlSession session, long id)
    {
        var rows = await session.ReadAsync(SelectById, Read, ("id", id));
        return rows.Count == 0 ? null : rows[0];
    }

    public static Task<List<(MulticastRecord Record, int PartsLeft)>> ListAsync(SqlSession session, string app, long beforeId, int limit) =>
        session.ReadAsync(SelectPage, Read, ("app", SqlSession.Key(app)), ("before", beforeId), ("limit", limit));

    public static Task UpdateAsync(SqlSession session, MulticastRecord record, int partsLeft) => session.RunAsync(
        UpdateRow, ("id", record.Id), ("state", (int)record.State), ("rate", record.RatePerSecond), ("accepted_at", record.AcceptedAt),
        ("expires_at", record.ExpiresAt), ("started_at", record.StartedAt), ("finished_at", record.FinishedAt), ("targeted", record.Targeted),
        ("accepted", record.Accepted), ("refused", record.Refused), ("online", record.Online), ("parts_left", partsLeft));

    /// <summary>Removes at most so many parts; says how many.</summary>
    public static Task<int> DeletePartsAsync(SqlSession session, long id, int rows) => session.RunAsync(DeleteParts, ("id", id), ("rows", rows));

    public static Task DeleteAsync(SqlSession session, long id) => session.RunAsync(DeleteRow, ("id", id));

    public static bool IsEnded(TaskState state) => state is TaskState.Done or TaskState.Cancelled;

    private static (MulticastRecord Record, int PartsLeft) Read(DbDataReader row) => (new MulticastRecord
    {
        Id = row.GetInt64(0),
        App = row.Key(1),
        State = (TaskState)row.GetInt32(2),
        Level = (Durability)row.GetInt32(3),
        Kind = (PayloadKind)row.GetInt32(4),
        PayloadBytes = row.GetInt32(5),
        RatePerSecond = row.GetInt32(6),
        AcceptedAt = row.GetInt64(7),
        ExpiresAt = row.GetInt64(8),
        StartedAt = row.GetInt64(9),
        FinishedAt = row.GetInt64(10),
        Targeted = row.GetInt64(11),
        Accepted = row.GetInt64(12),
        Refused = row.GetInt64(13),
        Online = row.GetInt64(14),
    }, row.GetInt32(15));
}
