using PushSystem.Protocol;

namespace PushSystem.Contracts;

/// <summary>
/// The mailboxes of all users and their acknowledgements (component Saver). Sequence numbers of one mailbox grow by exactly 1
/// within an epoch. Batched, so that one call may cross the network for many users. Thread-safe. A store that is away throws
/// <see cref="StoreUnavailableException"/>; the outcome of a write is then unknown.
/// </summary>
public interface IMailboxes
{
    /// <summary>The levels offered here, beyond <see cref="Durability.Transient"/>, which needs no store.</summary>
    IReadOnlySet<Durability> Levels { get; }

    /// <summary>
    /// Appends messages of one app, all or none, in order. Completes when <see cref="AppendRequest.Level"/> is reached, never before.
    /// </summary>
    ValueTask<AppendReply> AppendAsync(AppendRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Opens both streams of users for delivery. Called after the session was registered, so that an append that missed the
    /// session is seen here. The client's position counts as an ACK. The first opening of a user creates its broadcast cursor
    /// at the log's end, durably. Counts delivery attempts of the head message and parks it when there were too many.
    /// </summary>
    ValueTask<IReadOnlyList<OpenReply>> OpenAsync(IReadOnlyList<OpenRequest> requests, CancellationToken cancellationToken);

    /// <summary>Reads a range of a mailbox in order, at least one entry if there is any, within the bounds.</summary>
    ValueTask<ReadReply> ReadAsync(ReadRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Records cumulative acknowledgements of both streams: acked = max(acked, seq) for the same epoch, anything else is
    /// ignored. Completes when taken; losing it costs a repetition on the wire, never a message.
    /// </summary>
    ValueTask AckAsync(IReadOnlyList<AckEntry> acks, CancellationToken cancellationToken);

    /// <summary>Sets the head message aside if it is still <paramref name="seq"/>; says where the stream goes on.</summary>
    ValueTask<StreamOpening> ParkAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken);

    /// <summary>Epoch and top of many mailboxes, for the position check. Result i belongs to key i.</summary>
    ValueTask<IReadOnlyList<StreamPosition>> PositionsAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken);

    /// <summary>What became of one message.</summary>
    ValueTask<MessageStatus> FindAsync(UserKey key, uint epoch, long seq, CancellationToken cancellationToken);

    /// <summary>The state of a mailbox; null when the user has never been seen.</summary>
    ValueTask<MailboxSummary?> SummaryAsync(UserKey key, CancellationToken cancellationToken);
}

/// <summary>A message to be appended. <see cref="TimeToLive"/> null = the app's default.</summary>
public sealed record MessageDraft(string User, PayloadKind Kind, ReadOnlyMemory<byte> Payload, TimeSpan? TimeToLive);

/// <summary>See <see cref="IMailboxes.AppendAsync"/>.</summary>
public sealed record AppendRequest(string App, Durability Level, IReadOnlyList<MessageDraft> Messages, IdempotencyClaim? Claim);

/// <summary>Results are in the order of the messages; empty unless Stored or Replayed.</summary>
public sealed record AppendReply(WriteStatus Status, IReadOnlyList<AppendResult> Results);

/// <summary>Where a message lies; times in Unix milliseconds, <see cref="ExpiresAt"/> 0 = never.</summary>
public readonly record struct AppendResult(uint Epoch, long Seq, long AcceptedAt, long ExpiresAt);

/// <summary>What the client says it has processed; epoch 0 = nothing known.</summary>
public readonly record struct OpenRequest(UserKey Key, StreamPosition Mailbox, StreamPosition Broadcast);

/// <summary>Both streams of one user.</summary>
public readonly record struct OpenReply(StreamOpening Mailbox, StreamOpening Broadcast);

/// <summary>
/// The stream goes on with <see cref="Seq"/> + 1 and has entries up to <see cref="Top"/>. <see cref="Gap"/> other than None: the
/// client's position and this one do not meet, and the client must be told why.
/// </summary>
public readonly record struct StreamOpening(uint Epoch, long Seq, long Top, ResetReason Gap);

/// <summary>Entries from <see cref="FromSeq"/> on, at most so many and so many payload bytes.</summary>
public readonly record struct ReadRequest(UserKey Key, uint Epoch, long FromSeq, int MaxMessages, int MaxBytes);

/// <summary>
/// Entries in order without holes. When <see cref="Epoch"/> differs from the one asked for, there are none and the stream goes on
/// behind <see cref="BehindSeq"/> of the new epoch.
/// </summary>
public sealed record ReadReply(uint Epoch, IReadOnlyList<StreamEntry> Entries, long Top, long BehindSeq);

/// <summary>
/// One message of a stream; or, with <see cref="Gap"/> other than None, the statement that everything from the previous entry up to
/// and including <see cref="Seq"/> will not come.
/// </summary>
public readonly record struct StreamEntry(
    long Seq, ResetReason Gap, PayloadKind Kind, long AcceptedAt, long ExpiresAt, ReadOnlyMemory<byte> Payload);

/// <summary>Everything up to Seq was processed by the client.</summary>
public readonly record struct AckEntry(UserKey Key, StreamKind Stream, uint Epoch, long Seq);

/// <summary>What became of a message.</summary>
public enum MessageState : byte
{
    /// <summary>Never existed, or is forgotten.</summary>
    Unknown,
    /// <summary>Stored and not acknowledged yet.</summary>
    Pending,
    /// <summary>Acknowledged by the client.</summary>
    Acked,
    /// <summary>Its time to live ended before it was acknowledged.</summary>
    Expired,
    /// <summary>Removed because the mailbox was full.</summary>
    Dropped,
    /// <summary>Set aside after too many deliveries without an ACK.</summary>
    Parked,
    /// <summary>Withdrawn by the business.</summary>
    Cancelled,
}

/// <summary>State of one message; times in Unix milliseconds, 0 = not known.</summary>
public readonly record struct MessageStatus(MessageState State, long AcceptedAt, long ExpiresAt);

/// <summary>A mailbox; times in Unix milliseconds, 0 = never.</summary>
public sealed record MailboxSummary(uint Epoch, long Acked, long Top, int PendingMessages, long PendingBytes, long OldestAt, long LastAckAt);

/// <summary>A store did not answer or is stopping. The outcome of a write is unknown.</summary>
public sealed class StoreUnavailableException(string message, Exception? inner = null) : Exception(message, inner);
