using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Tests.Configuration;

/// <summary>
/// etcd in memory: revisions, transactions, mirrors, and outages on demand. Thread-safe; mirrors are told on the thread that changes,
/// unless the watch is held back.
/// </summary>
internal sealed class MemoryEtcd : IEtcd
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, EtcdEntry> _entries = new(StringComparer.Ordinal);
    private readonly List<MemoryMirror> _mirrors = [];
    private bool _isAway;
    private bool _isWatchHeld;

    public long Revision { get; private set; } = 1;

    /// <summary>The next commit is done, but its answer is lost.</summary>
    public bool LoseNextReply { get; set; }

    /// <summary>Every commit is answered with an error and not done.</summary>
    public bool RefuseWrites { get; set; }

    /// <summary>Run before each commit: for somebody who is faster.</summary>
    public Action? BeforeCommit { get; set; }

    /// <summary>No call is answered and no mirror is told.</summary>
    public bool IsAway
    {
        get => _isAway;
        set => Set(ref _isAway, value);
    }

    /// <summary>Calls are answered, but the watch brings nothing.</summary>
    public bool IsWatchHeld
    {
        get => _isWatchHeld;
        set => Set(ref _isWatchHeld, value);
    }

    /// <summary>Writes past everything, as a person with etcdctl does.</summary>
    public void Put(string key, ReadOnlySpan<byte> value)
    {
        lock (_lock)
            Write([new EtcdWrite(key, value.ToArray(), 0)]);
        TellAll();
    }

    public void Delete(string key)
    {
        lock (_lock)
            Write([new EtcdWrite(key, null, 0)]);
        TellAll();
    }

    /// <summary>Begins again from revision 1 with nothing, as an etcd that was restored.</summary>
    public void Wipe()
    {
        lock (_lock)
        {
            _entries.Clear();
            Revision = 1;
        }
    }

    public ValueTask<EtcdEntry?> GetAsync(string key, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Check();
            return ValueTask.FromResult(_entries.GetValueOrDefault(key));
        }
    }

    public ValueTask<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Check();
            return ValueTask.FromResult(new EtcdRange([.. Under(prefix)], Revision));
        }
    }

    public ValueTask<EtcdReply> CommitAsync(EtcdTransaction transaction, CancellationToken cancellationToken)
    {
        var before = BeforeCommit;
        BeforeCommit = null;
        before?.Invoke();
        bool succeeded;
        long revision;
        lock (_lock)
        {
            Check();
            if (RefuseWrites)
                throw new EtcdException("no space", isRefused: true);
            succeeded = transaction.Conditions.All(Holds);
            if (succeeded)
                Write(transaction.Writes);
            revision = Revision;
        }
        TellAll();
        if (!LoseNextReply)
            return ValueTask.FromResult(new EtcdReply(succeeded, revision));
        LoseNextReply = false;
        throw new EtcdException("the answer was lost");
    }

    public IEtcdMirror Mirror(string prefix)
    {
        var mirror = new MemoryMirror(this, prefix);
        lock (_lock)
            _mirrors.Add(mirror);
        TellAll();
        return mirror;
    }

    private void Set(ref bool field, bool value)
    {
        lock (_lock)
            field = value;
        TellAll();
    }

    private void Check()
    {
        if (_isAway)
            throw new EtcdException("no endpoint answered");
    }

    private bool Holds(EtcdCondition condition)
    {
        var entry = _entries.GetValueOrDefault(condition.Key);
        return (condition.Target == EtcdTarget.CreateRevision ? entry?.CreateRevision : entry?.ModRevision).GetValueOrDefault() == condition.Revision;
    }

    private void Write(IReadOnlyList<EtcdWrite> writes)
    {
        Revision++;
        foreach (var write in writes)
        {
            if (write.Value is { } value)
                _entries[write.Key] = new EtcdEntry(write.Key, value, _entries.GetValueOrDefault(write.Key)?.CreateRevision ?? Revision, Revision, write.Lease);
            else
                _entries.Remove(write.Key);
        }
    }

    private IEnumerable<EtcdEntry> Under(string prefix) => _entries.Values.Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal));

    private void TellAll()
    {
        MemoryMirror[] mirrors;
        lock (_lock)
        {
            if (_isAway || _isWatchHeld)
                return;
            mirrors = [.. _mirrors];
        }
        foreach (var mirror in mirrors)
            mirror.Tell();
    }

    private sealed class MemoryMirror(MemoryEtcd etcd, string prefix) : IEtcdMirror
    {
        private readonly Lock _telling = new();
        private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public EtcdSnapshot Current { get; private set; } = EtcdSnapshot.Empty;

        public Task Ready => _ready.Task;

        public event Action<EtcdSnapshot, EtcdSnapshot>? Changed;

        public void Tell()
        {
            lock (_telling)
            {
                EtcdSnapshot now;
                lock (etcd._lock)
                    now = new EtcdSnapshot(etcd.Revision, etcd.Under(prefix).ToDictionary(entry => entry.Key));
                var before = Current;
                if (now.Revision <= before.Revision)
                    return;
                Current = now;
                if (before.Revision == 0 || !before.Entries.Values.SequenceEqual(now.Entries.Values))
                    Changed?.Invoke(before, now);
                _ready.TrySetResult();
            }
        }

        public ValueTask RefreshAsync(CancellationToken cancellationToken)
        {
            lock (etcd._lock)
                etcd.Check();
            Tell();
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync()
        {
            lock (etcd._lock)
                etcd._mirrors.Remove(this);
            return ValueTask.CompletedTask;
        }
    }
}
