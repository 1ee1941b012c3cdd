namespace PushSystem.Contracts;

/// <summary>
/// Who may do a piece of work, by name (stored by component Saver). The token is the incarnation of the process that does it: unique
/// and growing. A claim needs no renewal: it ends when it is released, or when somebody who knows its owner to be dead takes it.
/// Thread-safe; durable before it completes; a store that is away throws <see cref="StoreUnavailableException"/>.
/// </summary>
public interface IWorkClaims
{
    /// <summary>
    /// Makes <paramref name="token"/> the owner if the work has none, or has it already, or is owned by a token that is not among
    /// <paramref name="live"/>. Returns the owner's token as it is then. Whoever knows too little of who lives may take work from a
    /// living owner, which notices by its next fenced write: nothing is done twice, only later.
    /// </summary>
    ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken);

    /// <summary>Gives the work back if the token owns it.</summary>
    ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken);
}

/// <summary>
/// "Only if this token owns this work": carried by writes whose author may have been replaced without knowing it. The default value
/// is no fence.
/// </summary>
public readonly record struct Fence(string? Work, long Token)
{
    /// <summary>True when the write depends on a claim.</summary>
    public bool IsSet => Work is not null;
}

/// <summary>A write came from somebody who does not own the work any more. Nothing was changed.</summary>
public sealed class FencedException(string message) : Exception(message);

/// <summary>
/// The processes of one's own role that live now (in a cluster as etcd shows them). In memory, thread-safe, never waits.
/// </summary>
public interface IPeers
{
    /// <summary>
    /// The own incarnation; 0 while this process does not know that it still counts as alive: it must not begin work that others may
    /// have taken over.
    /// </summary>
    long Self { get; }

    /// <summary>Incarnations of all processes of the role that live, the own one included.</summary>
    IReadOnlyCollection<long> Live { get; }

    /// <summary>True when, of all that live, this process comes first for the work (rendezvous hashing over node ids).</summary>
    bool IsFirstFor(string work);

    /// <summary>Told after a change. Handlers must not wait and must not throw.</summary>
    event Action? Changed;
}
