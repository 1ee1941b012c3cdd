using PushSystem.Coordinator.Presence;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator.Ownership;

/// <summary>
/// What this process does for an app while it owns it: deliver its events, decide about its users' presence. Made by
/// <see cref="AppOwners"/> after the claim and disposed by it before the release; any thread.
/// </summary>
internal sealed class OwnedApp(string app, long token, AppDelivery delivery, PresenceBook book, PresenceLooks looks) : IAsyncDisposable
{
    public string App => app;

    /// <summary>The incarnation under which it was claimed: under another one it is not ours.</summary>
    public long Token => token;

    public AppDelivery Delivery => delivery;

    public PresenceBook Book => book;

    public PresenceLooks Looks => looks;

    /// <summary>Ends the looks, waits for the requests in flight, removes what was delivered.</summary>
    public async ValueTask DisposeAsync()
    {
        await looks.DisposeAsync();
        await delivery.DisposeAsync();
        book.Dispose();
    }
}
