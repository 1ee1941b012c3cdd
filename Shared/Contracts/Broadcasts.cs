using PushSystem.Protocol;

namespace PushSystem.Contracts;

/// <summary>
/// The broadcast log of each app and the state of its tasks (component Saver). One app's broadcasts are one ordered stream,
/// delivered in order: a task that is queued, running or paused holds those behind it; one that is done or cancelled does not.
/// Thread-safe; a store that is away throws <see cref="StoreUnavailableException"/>.
/// </summary>
public interface IBroadcastLog
{
    /// <summary>Appends a broadcast as <see cref="TaskState.Queued"/>; completes when it is durable.</summary>
    ValueTask<BroadcastReply> AppendAsync(BroadcastDraft draft, CancellationToken cancellationToken);

    /// <summary>One broadcast, or null.</summary>
    ValueTask<BroadcastRecord?> FindAsync(string app, uint epoch, long seq, CancellationToken cancellationToken);

    /// <summary>Newest first, those below <paramref name="beforeSeq"/> (0 = from the newest), at most <paramref name="limit"/>.</summary>
    ValueTask<IReadOnlyList<BroadcastRecord>> ListAsync(string app, long beforeSeq, int limit, CancellationToken cancellationToken);

    /// <summary>All broadcasts that are queued, running or paused, oldest first: what a task engine takes up at start.</summary>
    ValueTask<IReadOnlyList<BroadcastRecord>> UnfinishedAsync(CancellationToken cancellationToken);

    /// <summary>The payload, or null when the broadcast is unknown or was removed.</summary>
    ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken);

    /// <summary>
    /// Moves a task to <paramref name="next"/> if its state is one of <paramref name="from"/>; returns the record as it is then, null
    /// when unknown. Durable before it completes. StartedAt is set by the first Running and stays. With a fence, throws
    /// <see cref="FencedException"/> and changes nothing unless its token owns its work.
    /// </summary>
    ValueTask<BroadcastRecord?> MoveAsync(
        string app, uint epoch, long seq, IReadOnlyList<TaskState> from, TaskState next, Fence fence, CancellationToken cancellationToken);

    /// <summary>Changes the rate, persons per second; 0 = as fast as possible.</summary>
    ValueTask<BroadcastRecord?> SetRateAsync(string app, uint epoch, long seq, int ratePerSecond, CancellationToken cancellationToken);

    /// <summary>Records counts seen by the task engine. Completes when taken. The fence counts as in <see cref="MoveAsync"/>.</summary>
    ValueTask ReportAsync(
        string app, uint epoch, long seq, long targeted, long sent, long offline, Fence fence, CancellationToken cancellationToken);

    /// <summary>
    /// Epoch and the highest released sequence number: all up to it are running, done or cancelled. This is how far a session may
    /// be served.
    /// </summary>
    ValueTask<StreamPosition> ReleasedAsync(string app, CancellationToken cancellationToken);

    /// <summary>Reads released entries in order, as <see cref="IMailboxes.ReadAsync"/> does; the same for every user of the app.</summary>
    ValueTask<ReadReply> ReadAsync(string app, uint epoch, long fromSeq, int maxMessages, int maxBytes, CancellationToken cancellationToken);

    /// <summary>Users of the app that have ever been bound.</summary>
    ValueTask<long> KnownUsersAsync(string app, CancellationToken cancellationToken);
}

/// <summary>A broadcast to be appended. Rate in persons per second, 0 = as fast as possible.</summary>
public sealed record BroadcastDraft(
    string App, PayloadKind Kind, ReadOnlyMemory<byte> Payload, TimeSpan? TimeToLive, int RatePerSecond, IdempotencyClaim? Claim);

/// <summary>The record is null unless Stored or Replayed.</summary>
public sealed record BroadcastReply(WriteStatus Status, BroadcastRecord? Record);

/// <summary>The state of a task.</summary>
public enum TaskState : byte
{
    /// <summary>Waits for its turn.</summary>
    Queued = 0,
    /// <summary>Is being sent.</summary>
    Running = 1,
    /// <summary>Held by the business.</summary>
    Paused = 2,
    /// <summary>Sent to everyone online; others catch up until it expires.</summary>
    Done = 3,
    /// <summary>Ended by the business; nobody gets it from now on.</summary>
    Cancelled = 4,
    /// <summary>Its list of recipients is still arriving (multicasts only).</summary>
    Receiving = 5,
}

/// <summary>A broadcast; times in Unix milliseconds, 0 = not yet or never.</summary>
public sealed record BroadcastRecord
{
    /// <summary>The app.</summary>
    public required string App { get; init; }
    /// <summary>The log's epoch.</summary>
    public required uint Epoch { get; init; }
    /// <summary>Position in the app's log.</summary>
    public required long Seq { get; init; }
    /// <summary>The task's state.</summary>
    public required TaskState State { get; init; }
    /// <summary>How to read the payload.</summary>
    public required PayloadKind Kind { get; init; }
    /// <summary>Length of the payload.</summary>
    public required int PayloadBytes { get; init; }
    /// <summary>Persons per second, 0 = unlimited.</summary>
    public required int RatePerSecond { get; init; }
    /// <summary>When it was accepted.</summary>
    public required long AcceptedAt { get; init; }
    /// <summary>When it expires.</summary>
    public required long ExpiresAt { get; init; }
    /// <summary>When sending began.</summary>
    public long StartedAt { get; init; }
    /// <summary>When it was done or cancelled.</summary>
    public long FinishedAt { get; init; }
    /// <summary>Sessions that were online when it began, and those reached by it since.</summary>
    public long Targeted { get; init; }
    /// <summary>Sessions that it was sent to.</summary>
    public long Sent { get; init; }
    /// <summary>Users that acknowledged it, those who caught up later included.</summary>
    public long Acked { get; init; }
    /// <summary>Known users that were not online when it began.</summary>
    public long Offline { get; init; }
}
