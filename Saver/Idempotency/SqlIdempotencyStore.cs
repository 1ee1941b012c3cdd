using PushSystem.Contracts;
using PushSystem.Saver.Apps;
using PushSystem.Saver.Sql;

namespace PushSystem.Saver.Idempotency;

/// <summary>
/// <see cref="IIdempotencyStore"/> over SQLite. Holds no state; any thread. A key that an append or a broadcast used is found too,
/// with status code 0 and no body, so that a different request under it is a conflict everywhere.
/// </summary>
internal sealed class SqlIdempotencyStore(AppTable apps, GroupCommitWriter writer, ReaderPool readers, TimeProvider clock) : IIdempotencyStore
{
    /// <summary>Longest body of an answer.</summary>
    public const int MaxBodyBytes = 1024 * 1024;

    // Apps are numbered from 1.
    private const int AdminId = 0;

    public async ValueTask<IdempotentAnswer?> FindAsync(string app, string key, CancellationToken cancellationToken)
    {
        IdempotencyRows.CheckKey(key);
        var id = app == IIdempotencyStore.AdminScope ? AdminId : apps.Require(app).State.Id;
        var now = clock.GetUtcNow().ToUnixTimeMilliseconds();
        var row = await readers.ReadAsync(
            (id, key, now), static (connection, state) => IdempotencyRows.Find(connection, state.id, state.key, state.now), cancellationToken);
        return row switch
        {
            null => null,
            { Kind: IdempotencyKind.Answer } => new IdempotentAnswer(row.Fingerprint, row.StatusCode, row.Body),
            _ => new IdempotentAnswer(row.Fingerprint, 0, ReadOnlyMemory<byte>.Empty),
        };
    }

    public async ValueTask<bool> KeepAsync(string app, string key, IdempotentAnswer answer, CancellationToken cancellationToken)
    {
        IdempotencyRows.CheckKey(key);
        ArgumentNullException.ThrowIfNull(answer);
        if (answer.Fingerprint.Length != IdempotencyRows.FingerprintBytes)
        {
            throw new ArgumentException(
                $"fingerprint: {answer.Fingerprint.Length} bytes, a SHA-256 has {IdempotencyRows.FingerprintBytes}", nameof(answer));
        }
        if (answer.Body.Length > MaxBodyBytes)
            throw new ArgumentException($"body: {answer.Body.Length} bytes, at most {MaxBodyBytes} are kept", nameof(answer));
        if (app != IIdempotencyStore.AdminScope)
            apps.Require(app);
        var fingerprint = answer.Fingerprint.ToArray();
        var body = answer.Body.ToArray();
        var status = answer.StatusCode;
        return await writer.RunAsync(
            body.Length + 256,
            batch =>
            {
                var id = app == IIdempotencyStore.AdminScope ? AdminId : apps.View.Working.Find(app)!.State.Id;
                if (IdempotencyRows.Find(batch.Connection, id, key, batch.Now) is not null)
                    return false;
                IdempotencyRows.Put(batch.Connection, id, key, IdempotencyKind.Answer, fingerprint, status, batch.Now, body);
                return true;
            },
            cancellationToken);
    }
}
