using PushSystem.Protocol;

namespace PushSystem.Contracts;

/// <summary>
/// Multicasts: one message for a list of users, worked off in subtasks that all centers share (stored by component Saver).
/// Thread-safe; writes are durable before they complete; a store that is away throws <see cref="StoreUnavailableException"/>.
/// </summary>
public interface IMulticasts
{
    /// <summary>Most users of one part.</summary>
    const int MaxPartUsers = 1_000;

    /// <summary>Begins a multicast as <see cref="TaskState.Receiving"/>. One that is not sealed within an hour is removed.</summary>
    ValueTask<MulticastRecord> CreateAsync(MulticastDraft draft, CancellationToken cancellationToken);

    /// <summary>
    /// Adds part <paramref name="part"/> of the recipients, 1 to <see cref="MaxPartUsers"/> users; it becomes one subtask. The same part
    /// again replaces it. Throws <see cref="InvalidOperationException"/> unless the task is receiving.
    /// </summary>
    ValueTask AddPartAsync(string app, long id, int part, IReadOnlyList<string> users, CancellationToken cancellationToken);

    /// <summary>
    /// Ends the list, which must consist of the parts 0 to <paramref name="parts"/> - 1, and queues the task. Replayed: the record is
    /// that of the first time and this task is removed. Conflict: this task is removed.
    /// </summary>
    ValueTask<MulticastReply> SealAsync(string app, long id, int parts, IdempotencyClaim? claim, CancellationToken cancellationToken);

    /// <summary>Removes a task that is still receiving.</summary>
    ValueTask DiscardAsync(string app, long id, CancellationToken cancellationToken);

    /// <summary>One multicast that is not receiving, or null.</summary>
    ValueTask<MulticastRecord?> FindAsync(string app, long id, CancellationToken cancellationToken);

    /// <summary>Newest first, those with an id below <paramref name="beforeId"/> (0 = from the newest), receiving ones excluded.</summary>
    ValueTask<IReadOnlyList<MulticastRecord>> ListAsync(string app, long beforeId, int limit, CancellationToken cancellationToken);

    /// <summary>The payload, or null when the multicast is unknown or was removed.</summary>
    ValueTask<ReadOnlyMemory<byte>?> PayloadAsync(string app, long id, CancellationToken cancellationToken);

    /// <summary>Moves a task to <paramref name="next"/> if its state is one of <paramref name="from"/>; the record as it is then, null when unknown.</summary>
    ValueTask<MulticastRecord?> MoveAsync(
        string app, long id, IReadOnlyList<TaskState> from, TaskState next, CancellationToken cancellationToken);

    /// <summary>Changes the rate, persons per second; 0 = as fast as possible.</summary>
    ValueTask<MulticastRecord?> SetRateAsync(string app, long id, int ratePerSecond, CancellationToken cancellationToken);

    /// <summary>
    /// Takes at most <paramref name="max"/> subtasks of queued and running tasks, oldest task first, that are not done and whose owner
    /// is nobody, or neither <paramref name="token"/> nor among <paramref name="live"/>; they belong to the token then. A queued
    /// task whose subtask is taken becomes running. An expired task has none.
    /// </summary>
    ValueTask<IReadOnlyList<Subtask>> TakeAsync(
        long token, IReadOnlyCollection<long> live, int max, CancellationToken cancellationToken);

    /// <summary>
    /// Moves a subtask's cursor forward and adds to the task's counts, in one commit. The task is done with its last subtask. Throws
    /// <see cref="FencedException"/> and changes nothing when the token does not own the subtask or its cursor is not
    /// <paramref name="from"/>. Returns the task's state and rate as they are then.
    /// </summary>
    ValueTask<MulticastRecord> CommitAsync(
        Subtask subtask, long token, int from, int to, long accepted, long refused, long online, CancellationToken cancellationToken);

    /// <summary>Gives subtasks back that the token owns, at their cursors.</summary>
    ValueTask ReleaseAsync(IReadOnlyList<Subtask> subtasks, long token, CancellationToken cancellationToken);
}

/// <summary>A multicast to be begun. Level Stored or Durable. Rate in persons per second, 0 = as fast as possible.</summary>
public sealed record MulticastDraft(
    string App, Durability Level, PayloadKind Kind, ReadOnlyMemory<byte> Payload, TimeSpan? TimeToLive, int RatePerSecond);

/// <summary>The record is null unless Stored or Replayed.</summary>
public sealed record MulticastReply(WriteStatus Status, MulticastRecord? Record);

/// <summary>A multicast; times in Unix milliseconds, 0 = not yet or never.</summary>
public sealed record MulticastRecord
{
    /// <summary>The app.</summary>
    public required string App { get; init; }
    /// <summary>Unique in the store, growing.</summary>
    public required long Id { get; init; }
    /// <summary>The task's state.</summary>
    public required TaskState State { get; init; }
    /// <summary>The level of its messages.</summary>
    public required Durability Level { get; init; }
    /// <summary>How to read the payload.</summary>
    public required PayloadKind Kind { get; init; }
    /// <summary>Length of the payload.</summary>
    public required int PayloadBytes { get; init; }
    /// <summary>Persons per second, 0 = unlimited.</summary>
    public required int RatePerSecond { get; init; }
    /// <summary>When it was accepted.</summary>
    public required long AcceptedAt { get; init; }
    /// <summary>When it and its messages expire.</summary>
    public required long ExpiresAt { get; init; }
    /// <summary>When sending began.</summary>
    public long StartedAt { get; init; }
    /// <summary>When it was done or cancelled.</summary>
    public long FinishedAt { get; init; }
    /// <summary>Users in the list.</summary>
    public long Targeted { get; init; }
    /// <summary>Users whose mailbox has the message.</summary>
    public long Accepted { get; init; }
    /// <summary>Users whose mailbox refused it.</summary>
    public long Refused { get; init; }
    /// <summary>Of the accepted, those that were online then.</summary>
    public long Online { get; init; }
}

/// <summary>
/// A part of a multicast: its users from <see cref="Cursor"/> on are still to be done. Appends for it carry an idempotency claim made
/// of task, part and range, so that the work of an owner that died half way is not done twice.
/// </summary>
public sealed record Subtask(MulticastRecord Task, int Part, int Cursor, IReadOnlyList<string> Users);
