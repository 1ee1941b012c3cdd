using PushSystem.Contracts;
using PushSystem.Saver.Idempotency;

namespace PushSystem.Saver.MySql;

/// <summary>The SQL of idempotency keys. Stateless.</summary>
internal static class ClaimedKeys
{
    private const string Select =
        "SELECT kind, fingerprint, status, body, created_at FROM idempotency WHERE app = @app AND idem_key = @key";
    private const string Insert =
        "INSERT IGNORE INTO idempotency (app, idem_key, kind, fingerprint, status, created_at, body) "
        + "VALUES (@app, @key, @kind, @fingerprint, @status, @now, @body)";
    private const string Replace =
        "UPDATE idempotency SET kind = @kind, fingerprint = @fingerprint, status = @status, created_at = @now, body = @body "
        + "WHERE app = @app AND idem_key = @key";
    private const string Lock = " FOR UPDATE";

    /// <summary>The row unless it is older than a day.</summary>
    public static async Task<IdempotencyRow?> FindAsync(SqlSession session, string app, string key, long now) =>
        await ReadAsync(session, app, key, "") is { } found && found.CreatedAt > now - IdempotencyRows.KeptFor ? found.Row : null;

    /// <summary>
    /// Takes the key in the transaction, or returns who has it. Who comes second waits here until the first one's transaction ends.
    /// </summary>
    public static async Task<IdempotencyRow?> TakeAsync(
        SqlSession session, string app, string key, IdempotencyKind kind, ReadOnlyMemory<byte> fingerprint, int status, ReadOnlyMemory<byte> body, long now)
    {
        (string, object?)[] values =
        [
            ("app", SqlSession.Key(app)), ("key", SqlSession.Key(key)), ("kind", (int)kind), ("fingerprint", fingerprint.ToArray()), ("status", status),
            ("now", now), ("body", body.ToArray()),
        ];
        // The lock for writing is taken at once: who has it for reading only, because the insertion met a row, would have to wait for others
        // that have it too.
        if (await ReadAsync(session, app, key, Lock) is { } known)
        {
            if (known.CreatedAt > now - IdempotencyRows.KeptFor)
                return known.Row;
            await session.RunAsync(Replace, values);
            return null;
        }
        return await session.RunAsync(Insert, values) == 1
            ? null
            : (await ReadAsync(session, app, key, ""))?.Row ?? throw new StoreUnavailableException($"The key '{key}' was removed while it was taken.");
    }

    /// <summary>True: the same request was made under the key.</summary>
    public static bool IsRepeated(IdempotencyRow known, IdempotencyKind kind, IdempotencyClaim claim) =>
        known.Kind == kind && known.Fingerprint.AsSpan().SequenceEqual(claim.Fingerprint.Span);

    private static async Task<(IdempotencyRow Row, long CreatedAt)?> ReadAsync(SqlSession session, string app, string key, string isLocked)
    {
        var rows = await session.ReadAsync(
            Select + isLocked,
            row => (new IdempotencyRow((IdempotencyKind)row.GetInt32(0), row.Bytes(1), row.GetInt32(2), row.Bytes(3)), row.GetInt64(4)),
            ("app", SqlSession.Key(app)), ("key", SqlSession.Key(key)));
        return rows.Count == 0 ? null : rows[0];
    }
}
