namespace PushSystem.Contracts;

/// <summary>
/// Where each (app, user) is bound (component Register). An entry counts only while its room lives with the same incarnation;
/// readers check that against <see cref="IRoomDirectory"/>. Thread-safe, batched; result i belongs to request i.
/// </summary>
public interface ISessionRegistry
{
    /// <summary>
    /// Puts the session in, atomically, with a new session generation that is higher than every earlier one of this user, and
    /// returns what it replaced. A request with an older <see cref="SessionEntry.Generation"/> than the one stored is refused
    /// (reply generation 0); new sessions carry generation 0.
    /// </summary>
    ValueTask<IReadOnlyList<BindReply>> BindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken);

    /// <summary>
    /// Removes entries that still have the same room, incarnation and connection, and, where the request names a
    /// <see cref="SessionEntry.Generation"/> other than 0, the same generation; true where one was removed.
    /// </summary>
    ValueTask<IReadOnlyList<bool>> UnbindAsync(IReadOnlyList<SessionEntry> sessions, CancellationToken cancellationToken);

    /// <summary>Entries as stored, null where there is none.</summary>
    ValueTask<IReadOnlyList<SessionEntry?>> LookupAsync(IReadOnlyList<UserKey> keys, CancellationToken cancellationToken);

    /// <summary>Number of entries of an app, stale ones of dead rooms excluded as far as known.</summary>
    ValueTask<long> CountAsync(string app, CancellationToken cancellationToken);

    /// <summary>
    /// Which data the registry stands on: one number for each of its parts, user k belonging to part
    /// <see cref="StableHash.Part"/>(k, number of parts). A number that differs from the one seen before says that entries of that
    /// part may be lost: whoever holds sessions of it binds them again, with their generations.
    /// </summary>
    ValueTask<IReadOnlyList<long>> EpochsAsync(CancellationToken cancellationToken);
}

/// <summary>One bound session. Time in Unix milliseconds.</summary>
public sealed record SessionEntry
{
    /// <summary>Who.</summary>
    public required UserKey Key { get; init; }
    /// <summary>The room's node id.</summary>
    public required string Room { get; init; }
    /// <summary>The room's incarnation: unique, growing.</summary>
    public required long Incarnation { get; init; }
    /// <summary>The connection's id, unique within the incarnation.</summary>
    public required ulong Connection { get; init; }
    /// <summary>Given by the registry; 0 in a request for a new session.</summary>
    public long Generation { get; init; }
    /// <summary>The device that bound it.</summary>
    public string Device { get; init; } = "";
    /// <summary>The device's address.</summary>
    public string RemoteAddress { get; init; } = "";
    /// <summary>Since when.</summary>
    public long BoundAt { get; init; }
}

/// <summary>Generation 0: refused as stale.</summary>
public readonly record struct BindReply(long Generation, SessionEntry? Previous);
