using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Remote.Tests;

/// <summary>A saver and a register that have nothing of what they are asked for; other calls fail the test.</summary>
internal sealed class Absent : IMailboxes, IBroadcastLog, IMulticasts, IEventQueue, IFactStore, IIdempotencyStore, IWorkClaims, ISessionRegistry
{
    public ReadOnlyMemory<byte>? Fact { get; private set; } = new byte[1];
    public Fence Fence { get; private set; } = new("work", 1);

    IReadOnlySet<Durability> IMailboxes.Levels => new HashSet<Durability>();

    ValueTask<MailboxSummary?> IMailboxes.SummaryAsync(UserKey key, CancellationToken cancellationToken) => new((MailboxSummary?)null);

    ValueTask<BroadcastRecord?> IBroadcastLog.FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) => new((BroadcastRecord?)null);

    ValueTask<ReadOnlyMemory<byte>?> IBroadcastLog.PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        new((ReadOnlyMemory<byte>?)null);

    ValueTask<BroadcastRecord?> IBroadcastLog.MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken)
    {
        Fence = fence;
        return new((BroadcastRecord?)null);
    }

    ValueTask<MulticastRecord?> IMulticasts.FindAsync(string app, long id, CancellationToken cancellationToken) => new((MulticastRecord?)null);

    ValueTask<ReadOnlyMemory<byte>?> IFactStore.GetAsync(string space, string key, CancellationToken cancellationToken) => new((ReadOnlyMemory<byte>?)null);

    ValueTask IFactStore.SetAsync(string space, IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>> facts, CancellationToken cancellationToken)
    {
        Fact = facts[0].Value;
        return default;
    }

    ValueTask<IdempotentAnswer?> IIdempotencyStore.FindAsync(string app, string key, CancellationToken cancellationToken) => new((IdempotentAnswer?)null);

    ValueTask<IReadOnlyList<SessionEntry?>> ISessionRegistry.LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) =>
        new((SessionEntry?[])[null]);

    ValueTask<IReadOnlyList<BindReply>> ISessionRegistry.BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken) =>
        new((BindReply[])[new BindReply(0, null)]);

    private static NotSupportedException NotAsked() => new("the test does not ask for it");

    ValueTask<AppendReply> IMailboxes.AppendAsync(AppendRequest request, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<OpenReply>> IMailboxes.OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<ReadReply> IMailboxes.ReadAsync(ReadRequest request, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask IMailboxes.AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<StreamOpening> IMailboxes.ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<StreamPosition>> IMailboxes.PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<MessageStatus> IMailboxes.FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<BroadcastReply> IBroadcastLog.AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<BroadcastRecord>> IBroadcastLog.ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<BroadcastRecord>> IBroadcastLog.UnfinishedAsync(CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<BroadcastRecord?> IBroadcastLog.SetRateAsync(string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask IBroadcastLog.ReportAsync(string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<StreamPosition> IBroadcastLog.ReleasedAsync(string app, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<ReadReply> IBroadcastLog.ReadAsync(string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<long> IBroadcastLog.KnownUsersAsync(string app, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<MulticastRecord> IMulticasts.CreateAsync(MulticastDraft draft, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask IMulticasts.AddPartAsync(string app, long id, int part, IReadOnlyList<string> users, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<MulticastReply> IMulticasts.SealAsync(string app, long id, int parts, IdempotencyClaim? claim, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask IMulticasts.DiscardAsync(string app, long id, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<MulticastRecord>> IMulticasts.ListAsync(string app, long beforeId, int limit, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<ReadOnlyMemory<byte>?> IMulticasts.PayloadAsync(string app, long id, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<MulticastRecord?> IMulticasts.MoveAsync(string app, long id, IReadOnlyList<TaskState> from, TaskState next, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<MulticastRecord?> IMulticasts.SetRateAsync(string app, long id, int ratePerSecond, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<Subtask>> IMulticasts.TakeAsync(long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<MulticastRecord> IMulticasts.CommitAsync(Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask IMulticasts.ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<EventStatus>> IEventQueue.AppendAsync(IReadOnlyList<EventDraft> drafts, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<QueuedEvent>> IEventQueue.ReadAsync(string app, long afterId, int maxEvents, int maxBytes, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask IEventQueue.RemoveAsync(string app, IReadOnlyList<long> ids, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<EventBacklog>> IEventQueue.BacklogAsync(CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>>> IFactStore.ListAsync(string space, string afterKey, int limit, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<bool> IIdempotencyStore.KeepAsync(string app, string key, IdempotentAnswer answer, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<long> IWorkClaims.ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask IWorkClaims.ReleaseAsync(string work, long token, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<bool>> ISessionRegistry.UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<long> ISessionRegistry.CountAsync(string app, CancellationToken cancellationToken) => throw NotAsked();
    ValueTask<IReadOnlyList<long>> ISessionRegistry.EpochsAsync(CancellationToken cancellationToken) => throw NotAsked();
}
