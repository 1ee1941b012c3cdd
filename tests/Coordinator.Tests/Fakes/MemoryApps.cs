using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Tests.Fakes;

/// <summary>Apps that a test sets as it likes.</summary>
public sealed class MemoryApps : IAppDirectory
{
    private readonly ConcurrentDictionary<string, AppRecord> _apps = new();

    public IReadOnlyList<AppRecord> All => [.. _apps.Values.OrderBy(app => app.Id, StringComparer.Ordinal)];

    public event Action<string>? Changed;

    public void Set(AppRecord app)
    {
        _apps[app.Id] = app;
        Changed?.Invoke(app.Id);
    }

    public void Remove(string id) => _apps.TryRemove(id, out _);

    public AppRecord? Find(string id) => _apps.GetValueOrDefault(id);

    public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash) => null;

    public ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken)
    {
        Set(app);
        return new(app);
    }
}
