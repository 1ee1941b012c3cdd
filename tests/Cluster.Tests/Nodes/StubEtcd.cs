using System.Text;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Tests.Nodes;

/// <summary>An IEtcd whose only mirror shows what the test puts in, on the test's thread.</summary>
internal sealed class StubEtcd : IEtcd, IEtcdMirror
{
    private readonly Dictionary<string, EtcdEntry> _entries = [];
    private long _revision;

    public EtcdSnapshot Current { get; private set; } = EtcdSnapshot.Empty;
    public Task Ready => Task.CompletedTask;
    public int Refreshes { get; private set; }

    public event Action<EtcdSnapshot, EtcdSnapshot>? Changed;

    /// <summary>Puts a key as a new one, or as a change of the one that is there; returns its create_revision.</summary>
    public long Put(string key, string value)
    {
        _revision++;
        var created = _entries.TryGetValue(key, out var known) ? known.CreateRevision : _revision;
        _entries[key] = new EtcdEntry(key, Encoding.UTF8.GetBytes(value), created, _revision, 1);
        Tell();
        return created;
    }

    public void Delete(string key)
    {
        _revision++;
        _entries.Remove(key);
        Tell();
    }

    public IEtcdMirror Mirror(string prefix) => this;

    public ValueTask RefreshAsync(CancellationToken cancellationToken)
    {
        Refreshes++;
        return ValueTask.CompletedTask;
    }

    public ValueTask<EtcdEntry?> GetAsync(string key, CancellationToken cancellationToken) => throw new InvalidOperationException("not asked by these tests");

    public ValueTask<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken) => throw new InvalidOperationException("not asked by these tests");

    public ValueTask<EtcdReply> CommitAsync(EtcdTransaction transaction, CancellationToken cancellationToken) => throw new InvalidOperationException("not asked by these tests");

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Tell()
    {
        var before = Current;
        Current = new EtcdSnapshot(_revision, new Dictionary<string, EtcdEntry>(_entries));
        Changed?.Invoke(before, Current);
    }
}
