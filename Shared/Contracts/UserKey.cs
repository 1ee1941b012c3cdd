namespace PushSystem.Contracts;

/// <summary>A recipient: a user inside an app. Both at most 64 bytes of UTF-8; compared byte for byte.</summary>
public readonly record struct UserKey(string App, string User)
{
    /// <inheritdoc/>
    public override string ToString() => $"{App}/{User}";
}

/// <summary>What "accepted" means for a message; told in the reply.</summary>
public enum Durability : byte
{
    /// <summary>Online only, nothing is stored.</summary>
    Transient = 0,
    /// <summary>In the hot tier: survives the crash of any process.</summary>
    Stored = 1,
    /// <summary>Committed and synced in the landing tier: survives power loss.</summary>
    Durable = 2,
}

/// <summary>
/// The caller's key for a request that may be repeated, with a SHA-256 fingerprint of the request. Kept for 24 hours per app:
/// the same key with the same fingerprint gives the first answer again, with another fingerprint it is a conflict.
/// </summary>
public sealed record IdempotencyClaim(string Key, ReadOnlyMemory<byte> Fingerprint);

/// <summary>How a store answered a write.</summary>
public enum WriteStatus : byte
{
    /// <summary>Done, at the level asked for.</summary>
    Stored,
    /// <summary>Done before under the same idempotency key; the results are those of the first time.</summary>
    Replayed,
    /// <summary>The idempotency key was used for another request; nothing was changed.</summary>
    Conflict,
    /// <summary>The store's queue is full; nothing was changed. Try again later.</summary>
    Overloaded,
    /// <summary>The store does not offer the level asked for; nothing was changed.</summary>
    LevelUnavailable,
}
