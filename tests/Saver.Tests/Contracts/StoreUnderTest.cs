using PushSystem.Contracts;
using PushSystem.TestSupport;

namespace PushSystem.Saver.Tests.Contracts;

/// <summary>A backend of the stores as the contract suites see it. Each test has its own, empty.</summary>
public interface IStoreUnderTest : IAsyncDisposable
{
    FakeClock Clock { get; }
    IMailboxes Mailboxes { get; }
    IBroadcastLog Broadcasts { get; }
    IEventQueue Events { get; }
    IIdempotencyStore Idempotency { get; }
    IFactStore Facts { get; }
    IAppDirectory Apps { get; }

    /// <summary>Stops and starts the backend over the same data.</summary>
    Task ReopenAsync();

    /// <summary>Removes everything that has expired.</summary>
    Task SweepAsync();
}

/// <summary>What the suites share: one app, short forms of the calls.</summary>
public abstract class ContractSuite : IAsyncLifetime
{
    protected const string App = "shop";

    protected static CancellationToken None => CancellationToken.None;

    protected IStoreUnderTest Store { get; private set; } = null!;

    protected long Now => Store.Clock.GetUtcNow().ToUnixTimeMilliseconds();

    protected abstract Task<IStoreUnderTest> OpenAsync();

    public async ValueTask InitializeAsync()
    {
        Store = await OpenAsync();
        await SetLimitsAsync(new AppLimits());
    }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    protected async Task SetLimitsAsync(AppLimits limits, string app = App)
    {
        var record = (Store.Apps.Find(app) ?? new AppRecord { Id = app }) with { Limits = limits };
        Assert.NotNull(await Store.Apps.SaveAsync(record, record.Revision, None));
    }

    protected static UserKey User(string user = "ann", string app = App) => new(app, user);

    protected static byte[] Bytes(string text) => System.Text.Encoding.UTF8.GetBytes(text);

    protected static byte[] Fingerprint(byte value) => [.. Enumerable.Repeat(value, 32)];
}
