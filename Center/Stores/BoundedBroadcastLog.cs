using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Stores;

/// <inheritdoc cref="BoundedStores"/>
internal sealed class BoundedBroadcastLog(IBroadcastLog inner, StoreDeadline deadline) : IBroadcastLog
{
    public ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken) =>
        deadline.Bound(inner.AppendAsync(draft, cancellationToken));

    public ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        deadline.Bound(inner.FindAsync(app, epoch, seq, cancellationToken));

    public ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ListAsync(app, beforeSeq, limit, cancellationToken));

    public ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken) =>
        deadline.Bound(inner.UnfinishedAsync(cancellationToken));

    public ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        deadline.Bound(inner.PayloadAsync(app, epoch, seq, cancellationToken));

    public ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken) =>
        deadline.Bound(inner.MoveAsync(app, epoch, seq, from, next, fence, cancellationToken));

    public ValueTask<BroadcastRecord?> SetRateAsync(string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken) =>
        deadline.Bound(inner.SetRateAsync(app, epoch, seq, ratePerSecond, cancellationToken));

    public ValueTask ReportAsync(
        string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ReportAsync(app, epoch, seq, targeted, sent, offline, fence, cancellationToken));

    public ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ReleasedAsync(app, cancellationToken));

    public ValueTask<ReadReply> ReadAsync(
        string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken) =>
        deadline.Bound(inner.ReadAsync(app, epoch, fromSeq, maxMessages, maxBytes, cancellationToken));

    public ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken) =>
        deadline.Bound(inner.KnownUsersAsync(app, cancellationToken));
}
