using PushSystem.Contracts;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>An app directory in memory.</summary>
internal sealed class FakeApps : IAppDirectory
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, AppRecord> _apps = new(StringComparer.Ordinal);
    private long _revision;

    /// <summary>Runs before each save, outside the lock: where a test lets somebody else be faster.</summary>
    public Action<AppRecord>? BeforeSave { get; set; }

    public event Action<string>? Changed;

    public IReadOnlyList<AppRecord> All
    {
        get
        {
            lock (_lock)
                return [.. _apps.Values];
        }
    }

    public AppRecord? Find(string id)
    {
        lock (_lock)
            return _apps.GetValueOrDefault(id);
    }

    public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash)
    {
        lock (_lock)
        {
            foreach (var app in _apps.Values)
            {
                foreach (var key in app.ApiKeys)
                {
                    if (key.Hash.Span.SequenceEqual(hash))
                        return app;
                }
            }
            return null;
        }
    }

    public ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken)
    {
        BeforeSave?.Invoke(app);
        lock (_lock)
        {
            if ((_apps.GetValueOrDefault(app.Id)?.Revision ?? 0) != expectedRevision)
                return ValueTask.FromResult<AppRecord?>(null);
            var saved = app with { Revision = ++_revision };
            _apps[app.Id] = saved;
            Changed?.Invoke(app.Id);
            return ValueTask.FromResult<AppRecord?>(saved);
        }
    }
}
