using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center;

/// <summary>Log messages of the center, ids 1500 to 1599.</summary>
internal static partial class CenterLog
{
    [LoggerMessage(1500, LogLevel.Warning, "Delivery to room {Room} ({Incarnation}) fails; messages stay in their mailboxes")]
    public static partial void DeliveryFailing(ILogger logger, Exception exception, string room, long incarnation);

    [LoggerMessage(1501, LogLevel.Information, "Delivery to room {Room} ({Incarnation}) works again")]
    public static partial void DeliveryWorking(ILogger logger, string room, long incarnation);

    [LoggerMessage(1502, LogLevel.Warning, "Session lookup for {Count} messages failed; messages stay in their mailboxes")]
    public static partial void LookupFailed(ILogger logger, Exception exception, int count);

    [LoggerMessage(1503, LogLevel.Critical, "The delivery loop ended unexpectedly")]
    public static partial void DeliveryLoopFailed(ILogger logger, Exception exception);

    [LoggerMessage(1510, LogLevel.Information, "Broadcast {App} b{Epoch}-{Seq} runs: {Online} online, {Offline} offline")]
    public static partial void TaskStarted(ILogger logger, string app, uint epoch, long seq, long online, long offline);

    [LoggerMessage(1511, LogLevel.Information, "Broadcast {App} b{Epoch}-{Seq} is {State}: targeted {Targeted}, sent {Sent}")]
    public static partial void TaskEnded(ILogger logger, string app, uint epoch, long seq, TaskState state, long targeted, long sent);

    [LoggerMessage(1512, LogLevel.Warning, "Broadcast {App} b{Epoch}-{Seq} failed and is tried again in {Delay}")]
    public static partial void TaskFailed(ILogger logger, Exception exception, string app, uint epoch, long seq, TimeSpan delay);

    [LoggerMessage(1513, LogLevel.Warning, "Room {Room} did not take broadcast {App} b{Epoch}-{Seq}; it is asked again")]
    public static partial void FanoutFailed(ILogger logger, Exception exception, string room, string app, uint epoch, long seq);

    [LoggerMessage(1514, LogLevel.Warning, "The broadcast log did not tell its unfinished tasks; asking again in {Delay}")]
    public static partial void RefreshFailed(ILogger logger, Exception exception, TimeSpan delay);

    [LoggerMessage(1520, LogLevel.Information, "App {App} was created")]
    public static partial void AppCreated(ILogger logger, string app);

    [LoggerMessage(1521, LogLevel.Information, "App {App} was changed: {Change}")]
    public static partial void AppChanged(ILogger logger, string app, string change);

    [LoggerMessage(1530, LogLevel.Warning, "The store is unavailable; {Method} {Path} got 503")]
    public static partial void StoreUnavailable(ILogger logger, Exception exception, string method, string? path);
}
