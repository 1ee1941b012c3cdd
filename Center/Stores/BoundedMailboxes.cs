using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Stores;

/// <inheritdoc cref="BoundedStores"/>
internal sealed class BoundedMailboxes(IMailboxes inner, StoreDeadline deadline) : IMailboxes
{
    public IReadOnlySet<Durability> Levels => inner.Levels;

    public ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken) =>
        deadline.Bound(inner.AppendAsync(request, cancellationToken));

    public ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken) =>
        deadline.Bound(inner.OpenAsync(requests, cancellationToken));

    public ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ReadAsync(request, cancellationToken));

    public ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken) =>
        deadline.Bound(inner.AckAsync(acks, cancellationToken));

    public ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ParkAsync(key, epoch, seq, cancellationToken));

    public ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) =>
        deadline.Bound(inner.PositionsAsync(keys, cancellationToken));

    public ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) =>
        deadline.Bound(inner.FindAsync(key, epoch, seq, cancellationToken));

    public ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken) =>
        deadline.Bound(inner.SummaryAsync(key, cancellationToken));
}
