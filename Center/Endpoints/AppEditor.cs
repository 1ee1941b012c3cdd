using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

/// <summary>Changes apps in the directory; a change that meets another one is made again upon it. Stateless; any thread.</summary>
internal sealed class AppEditor(IAppDirectory apps, ILogger<AppEditor> logger)
{
    private const int Attempts = 16;

    /// <summary>The app. Throws the problem to answer with.</summary>
    public AppRecord Find(string id) => apps.Find(id) ?? throw Problems.NoSuchApp(id);

    /// <summary>Stores a new app. Throws the problem to answer with.</summary>
    public async ValueTask<AppRecord> CreateAsync(AppRecord app, CancellationToken cancellationToken)
    {
        var saved = await apps.SaveAsync(app, expectedRevision: 0, cancellationToken) ?? throw Problems.AppExists(app.Id);
        CenterLog.AppCreated(logger, app.Id);
        return saved;
    }

    /// <summary>Stores what <paramref name="change"/> makes of the app; it may be called again. Throws the problem to answer with.</summary>
    public async ValueTask<AppRecord> ChangeAsync(string id, string what, Func<AppRecord, AppRecord> change, CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var app = Find(id);
            if (await apps.SaveAsync(change(app), app.Revision, cancellationToken) is not { } saved)
                continue;
            CenterLog.AppChanged(logger, id, what);
            return saved;
        }
        throw Problems.ChangedMeanwhile(id);
    }
}
