using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Tests.Support;

/// <summary>Apps "a" and "b" with one ticket key each; "a" wants presence.</summary>
internal sealed class FakeApps : IAppDirectory
{
    public static readonly TicketKey Key = new(1, new byte[32]);

    private readonly Dictionary<string, AppRecord> _apps = [];

    public FakeApps()
    {
        Set(new AppRecord
        {
            Id = "a",
            TicketKeys = [new AppTicketKey(Key.Id, Key.Secret, 0)],
            Webhook = new WebhookSettings("http://localhost/", new Dictionary<string, string>(), [], Presence: true),
        });
        Set(new AppRecord { Id = "b", TicketKeys = [new AppTicketKey(Key.Id, Key.Secret, 0)] });
    }

    public event Action<string>? Changed;

    public void Set(AppRecord app)
    {
        _apps[app.Id] = app;
        Changed?.Invoke(app.Id);
    }

    public void Change(string id, Func<AppRecord, AppRecord> change) => Set(change(_apps[id]));

    public AppRecord? Find(string id) => _apps.GetValueOrDefault(id);

    public AppRecord? FindByApiKeyHash(ReadOnlySpan<byte> hash) => null;

    public IReadOnlyList<AppRecord> All => [.. _apps.Values];

    public ValueTask<AppRecord?> SaveAsync(AppRecord app, long expectedRevision, CancellationToken cancellationToken) => throw new NotSupportedException();
}
