using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Presence;

/// <summary>What every app's presence shares.</summary>
internal sealed record PresenceContext(
    IEventQueue Events, IFactStore Facts, IAppDirectory Apps, ISessionRegistry Sessions, IRoomDirectory Rooms, TimeProvider Time, ILogger Logger,
    CoordinatorMetrics Metrics, CoordinatorOptions Options)
{
    /// <summary>Unix milliseconds.</summary>
    public long UnixNow => Time.GetUtcNow().ToUnixTimeMilliseconds();

    public static bool WantsPresence(AppRecord app) => app is { Enabled: true, Webhook.Presence: true };

    public bool WantsPresence(string app) => Apps.Find(app) is { } record && WantsPresence(record);
}
