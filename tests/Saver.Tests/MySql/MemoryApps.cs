using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Saver.Tests.MySql;

/// <summary>Apps in memory; in a cluster they come from etcd.</summary>
internal sealed class MemoryApps : IAppDirectory
{
    private readonly ConcurrentDictionary<string, AppRecord> _apps = new();

    public event Action<string>? Changed;

    public IReadOnlyList<AppRecord> All => [.. _apps.Values.OrderBy(app => app.Id, StringComparer.Ordinal)];

    public AppRecord? Find(string id) => _apps.GetValueOrDefault(id);

    public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash) => null;

    public ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken)
    {
        if ((Find(app.Id)?.Revision ?? 0) != expectedRevision)
            return ValueTask.FromResult<AppRecord?>(null);
        var saved = app with { Revision = expectedRevision + 1 };
        _apps[app.Id] = saved;
        Changed?.Invoke(app.Id);
        return ValueTask.FromResult<AppRecord?>(saved);
    }
}
