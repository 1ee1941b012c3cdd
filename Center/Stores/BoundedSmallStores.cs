using PushSystem.Contracts;

namespace PushSystem.Center.Stores;

/// <inheritdoc cref="BoundedStores"/>
internal sealed class BoundedWorkClaims(IWorkClaims inner, StoreDeadline deadline) : IWorkClaims
{
    public ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ClaimAsync(work, token, live, cancellationToken));

    public ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ReleaseAsync(work, token, cancellationToken));
}

/// <inheritdoc cref="BoundedStores"/>
internal sealed class BoundedIdempotencyStore(IIdempotencyStore inner, StoreDeadline deadline) : IIdempotencyStore
{
    public ValueTask<IdempotentAnswer?> FindAsync(string app, string key, CancellationToken cancellationToken) =>
        deadline.Bound(inner.FindAsync(app, key, cancellationToken));

    public ValueTask<bool> KeepAsync(string app, string key, IdempotentAnswer answer, CancellationToken cancellationToken) =>
        deadline.Bound(inner.KeepAsync(app, key, answer, cancellationToken));
}

/// <inheritdoc cref="BoundedStores"/>
internal sealed class BoundedSessionRegistry(ISessionRegistry inner, StoreDeadline deadline) : ISessionRegistry
{
    public ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken) =>
        deadline.Bound(inner.BindAsync(sessions, cancellationToken));

    public ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken) =>
        deadline.Bound(inner.UnbindAsync(sessions, cancellationToken));

    public ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) =>
        deadline.Bound(inner.LookupAsync(keys, cancellationToken));

    public ValueTask<long> CountAsync(string app, CancellationToken cancellationToken) => deadline.Bound(inner.CountAsync(app, cancellationToken));

    public ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken) => deadline.Bound(inner.EpochsAsync(cancellationToken));
}
