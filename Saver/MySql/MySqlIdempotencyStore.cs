using PushSystem.Contracts;
using PushSystem.Saver.Idempotency;

namespace PushSystem.Saver.MySql;

/// <summary>
/// <see cref="IIdempotencyStore"/> over MySQL. Holds no state; any thread. A key that a broadcast or a multicast used is found too, with
/// status code 0 and no body; so is one that an append of messages has in redis.
/// </summary>
internal sealed class MySqlIdempotencyStore(SqlLink link, SharedKeys keys, IAppDirectory apps, TimeProvider clock) : IIdempotencyStore
{
    private const string Store = "idempotency";

    public async ValueTask<IdempotentAnswer?> FindAsync(string app, string key, CancellationToken cancellationToken)
    {
        IdempotencyRows.CheckKey(key);
        Require(app);
        var row = await link.ReadAsync(Store, session => ClaimedKeys.FindAsync(session, app, key, Now), cancellationToken);
        return row switch
        {
            null when await keys.FindAsync(app, key, cancellationToken) is { } fingerprint => new IdempotentAnswer(fingerprint, 0, ReadOnlyMemory<byte>.Empty),
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
        if (answer.Body.Length > SqlIdempotencyStore.MaxBodyBytes)
            throw new ArgumentException($"body: {answer.Body.Length} bytes, at most {SqlIdempotencyStore.MaxBodyBytes} are kept", nameof(answer));
        Require(app);
        // The caller may go on with its memory when it gives up waiting.
        var copy = answer with { Fingerprint = answer.Fingerprint.ToArray(), Body = answer.Body.ToArray() };
        if (await keys.IsTakenAsync(app, key, cancellationToken))
            return false;
        return await link.WriteAsync(
            Store,
            async session => await ClaimedKeys.TakeAsync(
                session, app, key, IdempotencyKind.Answer, copy.Fingerprint, copy.StatusCode, copy.Body, Now) is null,
            cancellationToken);
    }

    private long Now => clock.GetUtcNow().ToUnixTimeMilliseconds();

    private void Require(string app)
    {
        if (app != IIdempotencyStore.AdminScope)
            apps.Require(app);
    }
}

/// <summary>The check that the parts of the store begin with.</summary>
internal static class RequiredApps
{
    /// <summary>The app, or <see cref="ArgumentException"/>.</summary>
    public static AppRecord Require(this IAppDirectory apps, string app) =>
        apps.Find(app) ?? throw new ArgumentException($"app: '{app}' does not exist", nameof(app));
}
