using PushSystem.Contracts;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Idempotency;

/// <summary>What a stored key answers. Numbers are stored.</summary>
internal enum IdempotencyKind
{
    /// <summary>A status code and a body.</summary>
    Answer = 0,
    /// <summary>An append of messages, <see cref="AppendResultCodec"/>.</summary>
    Append = 1,
    /// <summary>A broadcast: epoch and seq.</summary>
    Broadcast = 2,
    /// <summary>A multicast: its id.</summary>
    Multicast = 3,
}

internal sealed record IdempotencyRow(IdempotencyKind Kind, byte[] Fingerprint, int StatusCode, byte[] Body);

/// <summary>The SQL of idempotency keys. Stateless; the connection's owner calls it.</summary>
internal static class IdempotencyRows
{
    /// <summary>How long a key is kept, milliseconds.</summary>
    public const long KeptFor = 24 * 3_600_000L;

    /// <summary>Longest key, bytes of UTF-8.</summary>
    public const int MaxKeyBytes = 255;

    public const int FingerprintBytes = 32;

    private const string Select =
        "SELECT kind, fingerprint, status, body FROM idempotency WHERE app_id = ?1 AND key = ?2 AND created_at > ?3";
    private const string Insert =
        "INSERT OR REPLACE INTO idempotency (app_id, key, kind, fingerprint, status, created_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    private const string Sweep =
        "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)";

    /// <summary>The row unless it is older than <see cref="KeptFor"/>.</summary>
    public static IdempotencyRow? Find(RawConnection connection, int app, string key, long now)
    {
        using var row = connection.Use(Select).Bind(1, app).Bind(2, key).Bind(3, now - KeptFor);
        return row.Step()
            ? new IdempotencyRow((IdempotencyKind)row.Int(0), row.Blob(1).ToArray(), row.Int(2), row.Blob(3).ToArray())
            : null;
    }

    public static void Put(
        RawConnection connection, int app, string key, IdempotencyKind kind, ReadOnlySpan<byte> fingerprint, int status, long now,
        ReadOnlySpan<byte> body) =>
        connection.Use(Insert).Bind(1, app).Bind(2, key).Bind(3, (long)kind).Bind(4, fingerprint).Bind(5, status).Bind(6, now)
            .Bind(7, body).Run();

    /// <summary>Removes old keys; says how many.</summary>
    public static int RemoveOld(RawConnection connection, long now, int rows)
    {
        connection.Use(Sweep).Bind(1, now - KeptFor).Bind(2, rows).Run();
        return connection.Changes;
    }

    /// <summary>A copy whose memory the caller does not own. Throws <see cref="ArgumentException"/>.</summary>
    public static IdempotencyClaim? Check(IdempotencyClaim? claim)
    {
        if (claim is null)
            return null;
        CheckKey(claim.Key);
        if (claim.Fingerprint.Length != FingerprintBytes)
        {
            throw new ArgumentException(
                $"claim.fingerprint: {claim.Fingerprint.Length} bytes, a SHA-256 has {FingerprintBytes}", nameof(claim));
        }
        return claim with { Fingerprint = claim.Fingerprint.ToArray() };
    }

    public static void CheckKey(string key)
    {
        var bytes = StoredText.ByteCount(key, "idempotencyKey");
        if (bytes is 0 or > MaxKeyBytes)
            throw new ArgumentException($"idempotencyKey: {bytes} bytes, allowed are 1 to {MaxKeyBytes}");
    }
}
