using PushSystem.Center.Auth;
using PushSystem.Contracts;
using PushSystem.Hosting.Lifetime;

namespace PushSystem.Standalone;

/// <summary>
/// The app that a newcomer pushes with. Its API key stays in a file, because the store keeps only the key's hash and the curl
/// lines must work after a restart too. Static; used at start, by one thread.
/// </summary>
internal static class DemoApp
{
    public const string Id = "demo";
    public const string User = "phone-1";

    /// <summary>Creates the app if it is missing, gives it a new API key if the file does not fit, and returns the key.</summary>
    public static async Task<string> EnsureAsync(IAppDirectory apps, string data, TimeProvider time, CancellationToken cancellationToken)
    {
        var path = Path.Combine(data, "demo.key");
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var app = apps.Find(Id);
        if (app is not null && KeyFile.Read(path) is { } known && apps.FindByApiKeyHash(AppKeys.Hash(known))?.Id == Id)
            return known;
        var (key, text) = AppKeys.NewApiKey(Id, now);
        // The file first: a key in the store whose text nobody has would be of no use.
        KeyFile.Write(path, text);
        var next = app is null
            ? new AppRecord { Id = Id, Name = "Demo", CreatedAt = now, ApiKeys = [key], TicketKeys = [AppKeys.NewTicketKey([], now)] }
            : app with { ApiKeys = [key, .. app.ApiKeys.Take(AppKeys.MaxApiKeys - 1)] };
        _ = await apps.SaveAsync(next, app?.Revision ?? 0, cancellationToken)
            ?? throw new InvalidOperationException("the demo app was changed by somebody else during the start");
        return text;
    }
}
