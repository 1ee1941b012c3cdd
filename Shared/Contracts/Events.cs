using PushSystem.Protocol;

namespace PushSystem.Contracts;

/// <summary>
/// Upstream messages, presence and operations over several components (component Coordinator). Thread-safe.
/// </summary>
public interface ICoordinator
{
    /// <summary>
    /// Takes a client's message. <see cref="ReasonCode.Ok"/> only when it is stored durably and will be delivered to the webhook; the
    /// same (app, user, message id) again gives Ok without a second delivery.
    /// </summary>
    ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken);

    /// <summary>Takes changes of presence; those of apps that did not ask are ignored. Completes when stored.</summary>
    ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken);

    /// <summary>Ends a user's session wherever it is; true when there was one.</summary>
    ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken);
}

/// <summary>A client's message. Time in Unix milliseconds.</summary>
public sealed record UpstreamMessage(
    UserKey Key, string Device, long MessageId, string Type, PayloadKind Kind, ReadOnlyMemory<byte> Payload, long ReceivedAt);

/// <summary>Retry after 0 with a code other than Ok: do not try again.</summary>
public readonly record struct UpstreamReply(ReasonCode Code, int RetryAfterMilliseconds);

/// <summary>
/// A user came or went. A change with a lower <see cref="Generation"/> than one seen before for the user is late and ignored.
/// </summary>
public readonly record struct PresenceChange(UserKey Key, bool Online, long Generation, string Device, string Room, long At);

/// <summary>
/// The durable, bounded queue of events for webhooks (stored by component Saver, used by Coordinator). Ids grow in the order of
/// storing. Thread-safe; a store that is away throws <see cref="StoreUnavailableException"/>.
/// </summary>
public interface IEventQueue
{
    /// <summary>
    /// Stores events, durably before it completes; result i belongs to draft i. A draft whose (app, <see cref="EventDraft.DedupeKey"/>)
    /// was stored within the last 24 hours is not stored again and counts as stored.
    /// </summary>
    ValueTask<IReadOnlyList<EventStatus>> AppendAsync(IReadOnlyList<EventDraft> drafts, CancellationToken cancellationToken);

    /// <summary>Events of an app in order, from behind <paramref name="afterId"/>, bounded by count and payload bytes.</summary>
    ValueTask<IReadOnlyList<QueuedEvent>> ReadAsync(string app, long afterId, int maxEvents, int maxBytes, CancellationToken cancellationToken);

    /// <summary>Removes delivered or given-up events.</summary>
    ValueTask RemoveAsync(string app, IReadOnlyList<long> ids, CancellationToken cancellationToken);

    /// <summary>Apps that have events, with count and bytes.</summary>
    ValueTask<IReadOnlyList<EventBacklog>> BacklogAsync(CancellationToken cancellationToken);
}

/// <summary>How the queue answered.</summary>
public enum EventStatus : byte
{
    /// <summary>Stored, or known already.</summary>
    Stored,
    /// <summary>The app's queue is full.</summary>
    Full,
}

/// <summary>An event to be stored. DedupeKey "" = never a duplicate. Body is what the webhook gets.</summary>
public sealed record EventDraft(UserKey Key, string Type, string DedupeKey, long CreatedAt, ReadOnlyMemory<byte> Body);

/// <summary>A stored event.</summary>
public sealed record QueuedEvent(long Id, UserKey Key, string Type, long CreatedAt, ReadOnlyMemory<byte> Body);

/// <summary>What waits for an app.</summary>
public readonly record struct EventBacklog(string App, long Events, long Bytes);

/// <summary>
/// Small durable facts that components keep by name (stored by component Saver): who was reported online, the admin key's hash.
/// Keys and values are at most 4 KiB. Thread-safe. Writes are durable when they complete.
/// </summary>
public interface IFactStore
{
    /// <summary>The value or null.</summary>
    ValueTask<ReadOnlyMemory<byte>?> GetAsync(string space, string key, CancellationToken cancellationToken);

    /// <summary>All of a space, ordered by key, from behind <paramref name="afterKey"/>.</summary>
    ValueTask<IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>>>> ListAsync(string space, string afterKey, int limit, CancellationToken cancellationToken);

    /// <summary>Sets values; null removes.</summary>
    ValueTask SetAsync(string space, IReadOnlyList<KeyValuePair<string, ReadOnlyMemory<byte>?>> facts, CancellationToken cancellationToken);
}
