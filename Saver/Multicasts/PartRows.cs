using PushSystem.Contracts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Multicasts;

/// <summary>The SQL of the parts of multicasts. Stateless; the connection's owner calls it.</summary>
internal static class PartRows
{
    private const string Put =
        "INSERT INTO multicast_parts (multicast_id, part, owner, position, user_count, users) VALUES (?1, ?2, 0, 0, ?3, ?4) "
        + "ON CONFLICT (multicast_id, part) DO UPDATE SET user_count = excluded.user_count, users = excluded.users";
    private const string SelectTotals =
        "SELECT count(*), coalesce(min(part), 0), coalesce(max(part), -1), coalesce(sum(user_count), 0) FROM multicast_parts WHERE multicast_id = ?1";
    private const string SelectOpen =
        "SELECT part, owner FROM multicast_parts WHERE multicast_id = ?1 AND position < user_count ORDER BY part";
    private const string SelectPart = "SELECT position, user_count, users, owner FROM multicast_parts WHERE multicast_id = ?1 AND part = ?2";
    private const string SetOwner = "UPDATE multicast_parts SET owner = ?3 WHERE multicast_id = ?1 AND part = ?2";
    private const string SetPosition = "UPDATE multicast_parts SET position = ?3 WHERE multicast_id = ?1 AND part = ?2";
    private const string ReleaseRow = "UPDATE multicast_parts SET owner = 0 WHERE multicast_id = ?1 AND part = ?2 AND owner = ?3";
    private const string DeleteSome =
        "DELETE FROM multicast_parts WHERE id IN (SELECT id FROM multicast_parts WHERE multicast_id = ?1 LIMIT ?2)";

    public static void Add(RawConnection connection, long multicast, int part, int count, ReadOnlySpan<byte> users) =>
        connection.Use(Put).Bind(1, multicast).Bind(2, part).Bind(3, count).Bind(4, users).Run();

    public static (long Count, long First, long Last, long Users) Totals(RawConnection connection, long multicast)
    {
        using var row = connection.Use(SelectTotals).Bind(1, multicast);
        row.Step();
        return (row.Long(0), row.Long(1), row.Long(2), row.Long(3));
    }

    /// <summary>Adds numbers of parts that are not done and may be taken, until <paramref name="found"/> has so many.</summary>
    public static void Takeable(RawConnection connection, long multicast, long token, IReadOnlySet<long> live, int max, List<int> found)
    {
        using var rows = connection.Use(SelectOpen).Bind(1, multicast);
        while (found.Count < max && rows.Step())
        {
            var owner = rows.Long(1);
            if (owner == 0 || (owner != token && !live.Contains(owner)))
                found.Add(rows.Int(0));
        }
    }

    public static Subtask Take(RawConnection connection, MulticastRecord record, int part, long token)
    {
        connection.Use(SetOwner).Bind(1, record.Id).Bind(2, part).Bind(3, token).Run();
        using var row = connection.Use(SelectPart).Bind(1, record.Id).Bind(2, part);
        row.Step();
        return new Subtask(record, part, row.Int(0), UserList.Read(row.Blob(2), row.Int(1)));
    }

    /// <summary>Owner, position and number of users; null when the part is gone.</summary>
    public static (long Owner, int Position, int Count)? Find(RawConnection connection, long multicast, int part)
    {
        using var row = connection.Use(SelectPart).Bind(1, multicast).Bind(2, part);
        return row.Step() ? (row.Long(3), row.Int(0), row.Int(1)) : null;
    }

    public static void Move(RawConnection connection, long multicast, int part, int position) =>
        connection.Use(SetPosition).Bind(1, multicast).Bind(2, part).Bind(3, position).Run();

    public static void Release(RawConnection connection, long multicast, int part, long token) =>
        connection.Use(ReleaseRow).Bind(1, multicast).Bind(2, part).Bind(3, token).Run();

    /// <summary>Removes at most so many; says how many.</summary>
    public static int Delete(RawConnection connection, long multicast, int rows)
    {
        connection.Use(DeleteSome).Bind(1, multicast).Bind(2, rows).Run();
        return connection.Changes;
    }
}
