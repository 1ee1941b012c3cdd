using Microsoft.Extensions.Logging;

namespace PushSystem.Coordinator;

/// <summary>All log messages of the coordinator, ids 5000 to 5099.</summary>
internal static partial class CoordinatorLog
{
    [LoggerMessage(5000, LogLevel.Debug, "Webhook event {EventId} of {User} was not delivered to {Url}, attempt {Attempt}: {Reason}; next in {Delay}")]
    public static partial void DeliveryFailed(ILogger logger, long eventId, string user, string url, int attempt, string reason, TimeSpan delay);

    [LoggerMessage(5001, LogLevel.Warning, "Webhook {Url} of app {App} fails as a whole ({Reason}); paused for {Pause}")]
    public static partial void EndpointPaused(ILogger logger, string app, string url, string reason, TimeSpan pause);

    [LoggerMessage(5002, LogLevel.Information, "Webhook {Url} of app {App} takes events again")]
    public static partial void EndpointRecovered(ILogger logger, string app, string url);

    [LoggerMessage(5003, LogLevel.Warning, "Webhook event {EventId} of {User} is older than {Age} and was given up")]
    public static partial void EventGivenUp(ILogger logger, long eventId, string user, TimeSpan age);

    [LoggerMessage(5004, LogLevel.Warning, "App {App} has {Events} webhook events waiting but no usable webhook")]
    public static partial void NoTarget(ILogger logger, string app, int events);

    [LoggerMessage(5005, LogLevel.Warning, "The event queue did not answer while {Doing} for app {App}; trying again in {Delay}")]
    public static partial void QueueUnavailable(ILogger logger, Exception exception, string doing, string app, TimeSpan delay);

    [LoggerMessage(5006, LogLevel.Error, "Webhook delivery of app {App} met an unexpected error; it starts again from the stored events in {Delay}")]
    public static partial void DeliveryFault(ILogger logger, Exception exception, string app, TimeSpan delay);

    [LoggerMessage(5010, LogLevel.Warning, "{Dropped} presence changes of app {App} were dropped: its event queue is full")]
    public static partial void PresenceDropped(ILogger logger, string app, int dropped);

    [LoggerMessage(5011, LogLevel.Information, "{Users} users of app {App} did not come back after the start and were reported offline")]
    public static partial void PresenceSettled(ILogger logger, string app, int users);

    [LoggerMessage(5012, LogLevel.Warning, "The presence of before the start could not be settled; trying again in {Delay}")]
    public static partial void SettleFailed(ILogger logger, Exception exception, TimeSpan delay);

    [LoggerMessage(5013, LogLevel.Warning, "The stored presence of {User} cannot be read and was removed")]
    public static partial void PresenceFactBroken(ILogger logger, Exception exception, string user);

    [LoggerMessage(5014, LogLevel.Information, "Events and presence of app {App} are this coordinator's task, incarnation {Token}")]
    public static partial void AppClaimed(ILogger logger, string app, long token);

    [LoggerMessage(5015, LogLevel.Information, "App {App} was handed over by incarnation {Token}")]
    public static partial void AppReleased(ILogger logger, string app, long token);

    [LoggerMessage(5016, LogLevel.Warning, "The claim on app {App} could not be given back; it ends with this process")]
    public static partial void ReleaseFailed(ILogger logger, Exception exception, string app);

    [LoggerMessage(5017, LogLevel.Debug, "The owner of app {App} could not be told of new events; it finds them by itself")]
    public static partial void WakeFailed(ILogger logger, Exception exception, string app);

    [LoggerMessage(5018, LogLevel.Warning, "The look for work failed; again in {Delay}")]
    public static partial void LookFailed(ILogger logger, Exception exception, TimeSpan delay);

    [LoggerMessage(5020, LogLevel.Debug, "The registry's entry of {User} in room {Room} was stale and was removed")]
    public static partial void StaleEntry(ILogger logger, string user, string room);

    [LoggerMessage(5090, LogLevel.Warning, "The coordinator waits for the stores: {Reason}")]
    public static partial void WaitingForStores(ILogger logger, string reason);
}
