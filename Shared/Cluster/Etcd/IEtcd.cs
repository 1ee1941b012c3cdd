namespace PushSystem.Cluster.Etcd;

/// <summary>
/// etcd as the rest of the cluster library uses it. Keys are text; values are bytes. Thread-safe. Every call throws
/// <see cref="EtcdException"/> when no endpoint gave an answer: a write's outcome is then unknown.
/// </summary>
public interface IEtcd
{
    /// <summary>One key, or null.</summary>
    ValueTask<EtcdEntry?> GetAsync(string key, CancellationToken cancellationToken);

    /// <summary>All keys that begin with <paramref name="prefix"/>, ordered, and the revision at which they were read.</summary>
    ValueTask<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken);

    /// <summary>Does the writes if all conditions hold, atomically.</summary>
    ValueTask<EtcdReply> CommitAsync(EtcdTransaction transaction, CancellationToken cancellationToken);

    /// <summary>
    /// A copy of a prefix that is kept up to date from now on until it is disposed; see <see cref="IEtcdMirror"/>. Never waits: the
    /// copy is empty until it was filled.
    /// </summary>
    IEtcdMirror Mirror(string prefix);
}

/// <summary>A key with its value and revisions. Lease 0 = none.</summary>
public sealed record EtcdEntry(string Key, ReadOnlyMemory<byte> Value, long CreateRevision, long ModRevision, long Lease);

/// <summary>Entries ordered by key, as of a revision.</summary>
public sealed record EtcdRange(IReadOnlyList<EtcdEntry> Entries, long Revision);

/// <summary>Succeeded: the conditions held and the writes are done, at <see cref="Revision"/>.</summary>
public readonly record struct EtcdReply(bool Succeeded, long Revision);

/// <summary>Conditions and writes.</summary>
public sealed record EtcdTransaction(IReadOnlyList<EtcdCondition> Conditions, IReadOnlyList<EtcdWrite> Writes);

/// <summary>What a condition looks at; a key that does not exist has both revisions 0.</summary>
public enum EtcdTarget
{
    /// <summary>The revision of the key's creation.</summary>
    CreateRevision,
    /// <summary>The revision of the key's last change.</summary>
    ModRevision,
}

/// <summary>The key's revision must equal this one.</summary>
public readonly record struct EtcdCondition(string Key, EtcdTarget Target, long Revision)
{
    /// <summary>The key must not exist.</summary>
    public static EtcdCondition Absent(string key) => new(key, EtcdTarget.CreateRevision, 0);
}

/// <summary>A put (lease 0 = lives until deleted) or, with a null value, a deletion.</summary>
public readonly record struct EtcdWrite(string Key, ReadOnlyMemory<byte>? Value, long Lease);

/// <summary>etcd gave no answer, or refused. <see cref="IsRefused"/>: it answered and nothing was done.</summary>
public sealed class EtcdException(string message, bool isRefused = false, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>etcd answered with an error: nothing was done.</summary>
    public bool IsRefused { get; } = isRefused;

    /// <summary>The gRPC code of etcd's answer (5 = not found, 7 = permission denied …), or 0.</summary>
    public int Code { get; init; }
}

/// <summary>
/// A copy of everything under a prefix, fed by a watch that resumes, lists again after a compaction and from time to time, notices
/// silence, and never goes back to an older revision. While etcd is away the copy stays as it was.
/// </summary>
public interface IEtcdMirror : IAsyncDisposable
{
    /// <summary>The newest snapshot; immutable.</summary>
    EtcdSnapshot Current { get; }

    /// <summary>Completes when the copy was filled for the first time.</summary>
    Task Ready { get; }

    /// <summary>
    /// Told with the snapshot before and after each change, one at a time and in order, on the watch's thread. A handler must not wait
    /// and must not throw. Whoever subscribes first and reads <see cref="Current"/> then misses nothing.
    /// </summary>
    event Action<EtcdSnapshot, EtcdSnapshot>? Changed;

    /// <summary>Lists now: afterwards the copy is at least as new as etcd was when this was called. Throws <see cref="EtcdException"/>.</summary>
    ValueTask RefreshAsync(CancellationToken cancellationToken);
}

/// <summary>The entries of a prefix by key, as of a revision (0 = not filled yet). Immutable.</summary>
public sealed record EtcdSnapshot(long Revision, IReadOnlyDictionary<string, EtcdEntry> Entries)
{
    /// <summary>Before anything was read.</summary>
    public static EtcdSnapshot Empty { get; } = new(0, new Dictionary<string, EtcdEntry>());
}
