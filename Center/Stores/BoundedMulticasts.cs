using PushSystem.Contracts;

namespace PushSystem.Center.Stores;

/// <inheritdoc cref="BoundedStores"/>
internal sealed class BoundedMulticasts(IMulticasts inner, StoreDeadline deadline) : IMulticasts
{
    public ValueTask<MulticastRecord> CreateAsync(MulticastDraft draft, CancellationToken cancellationToken) =>
        deadline.Bound(inner.CreateAsync(draft, cancellationToken));

    public ValueTask AddPartAsync(string app, long id, int part, IReadOnlyList<string> users, CancellationToken cancellationToken) =>
        deadline.Bound(inner.AddPartAsync(app, id, part, users, cancellationToken));

    public ValueTask<MulticastReply> SealAsync(string app, long id, int parts, IdempotencyClaim? claim, CancellationToken cancellationToken) =>
        deadline.Bound(inner.SealAsync(app, id, parts, claim, cancellationToken));

    public ValueTask DiscardAsync(string app, long id, CancellationToken cancellationToken) =>
        deadline.Bound(inner.DiscardAsync(app, id, cancellationToken));

    public ValueTask<MulticastRecord?> FindAsync(string app, long id, CancellationToken cancellationToken) =>
        deadline.Bound(inner.FindAsync(app, id, cancellationToken));

    public ValueTask<IReadOnlyList<MulticastRecord>> ListAsync(string app, long beforeId, int limit, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ListAsync(app, beforeId, limit, cancellationToken));

    public ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, long id, CancellationToken cancellationToken) =>
        deadline.Bound(inner.PayloadAsync(app, id, cancellationToken));

    public ValueTask<MulticastRecord?> MoveAsync(
        string app, long id, IReadOnlyList<TaskState> from, TaskState next, CancellationToken cancellationToken) =>
        deadline.Bound(inner.MoveAsync(app, id, from, next, cancellationToken));

    public ValueTask<MulticastRecord?> SetRateAsync(string app, long id, int ratePerSecond, CancellationToken cancellationToken) =>
        deadline.Bound(inner.SetRateAsync(app, id, ratePerSecond, cancellationToken));

    public ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken) =>
        deadline.Bound(inner.TakeAsync(token, live, max, cancellationToken));

    public ValueTask<MulticastRecord> CommitAsync(
        Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken) =>
        deadline.Bound(inner.CommitAsync(subtask, token, from, to, accepted, refused, online, cancellationToken));

    public ValueTask ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ReleaseAsync(subtasks, token, cancellationToken));
}
