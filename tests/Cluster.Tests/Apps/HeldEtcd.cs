using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Tests.Apps;

/// <summary>Another etcd, whose mirror shows exactly what the test tells it.</summary>
internal sealed class HeldEtcd(IEtcd inner) : IEtcd, IEtcdMirror
{
    public EtcdSnapshot Current { get; private set; } = EtcdSnapshot.Empty;

    public Task Ready => Task.CompletedTask;

    public event Action<EtcdSnapshot, EtcdSnapshot>? Changed;

    public void Tell(long revision, IEnumerable<EtcdEntry> entries)
    {
        var before = Current;
        Current = new EtcdSnapshot(revision, entries.ToDictionary(entry => entry.Key));
        Changed?.Invoke(before, Current);
    }

    public ValueTask<EtcdEntry?> GetAsync(string key, CancellationToken cancellationToken) => inner.GetAsync(key, cancellationToken);

    public ValueTask<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

    public ValueTask<EtcdReply> CommitAsync(EtcdTransaction transaction, CancellationToken cancellationToken) => inner.CommitAsync(transaction, cancellationToken);

    public IEtcdMirror Mirror(string prefix) => this;

    public ValueTask RefreshAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
