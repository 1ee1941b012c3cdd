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

    [LoggerMessage(1515, LogLevel.Information, "Broadcast {App} b{Epoch}-{Seq} is run by another center from here on")]
    public static partial void TaskFenced(ILogger logger, Exception exception, string app, uint epoch, long seq);

    [LoggerMessage(1516, LogLevel.Warning, "{Work} could not be claimed; it is tried again")]
    public static partial void ClaimFailed(ILogger logger, Exception exception, string work);

    [LoggerMessage(1517, LogLevel.Warning, "The claim {Work} could not be given back; it ends with this process")]
    public static partial void ReleaseFailed(ILogger logger, Exception exception, string work);

    [LoggerMessage(1518, LogLevel.Error, "The broadcasts of {App} ended unexpectedly and begin again")]
    public static partial void AppLoopFailed(ILogger logger, Exception exception, string app);

    [LoggerMessage(1519, LogLevel.Warning, "Broadcast {App} b{Epoch}-{Seq}: the registry did not tell how many are online; the rooms' connections are counted")]
    public static partial void CountFailed(ILogger logger, Exception exception, string app, uint epoch, long seq);

    [LoggerMessage(1540, LogLevel.Debug, "The other centers could not be told of the tasks of {App}; they look by themselves")]
    public static partial void WakeUpFailed(ILogger logger, Exception exception, string app);

    [LoggerMessage(1541, LogLevel.Warning, "Multicasts could not be taken; tried again in {Delay}")]
    public static partial void TakeFailed(ILogger logger, Exception exception, TimeSpan delay);

    [LoggerMessage(1542, LogLevel.Warning, "Multicast {App} t{Id} part {Part} failed at {Cursor} and is tried again in {Delay}")]
    public static partial void SubtaskFailed(ILogger logger, Exception exception, string app, long id, int part, int cursor, TimeSpan delay);

    [LoggerMessage(1543, LogLevel.Information, "Multicast {App} t{Id} part {Part} is worked on by another center from here on")]
    public static partial void SubtaskFenced(ILogger logger, string app, long id, int part);

    [LoggerMessage(1544, LogLevel.Warning, "Multicast {App} t{Id} part {Part}: {Count} users from {Cursor} on are refused")]
    public static partial void RangeRefused(ILogger logger, Exception? exception, string app, long id, int part, int cursor, int count);

    [LoggerMessage(1545, LogLevel.Warning, "Parts of multicasts could not be given back; they are taken over when this process is gone")]
    public static partial void SubtaskReleaseFailed(ILogger logger, Exception exception);

    [LoggerMessage(1546, LogLevel.Warning, "A multicast that was not completed could not be removed; the store removes it within an hour")]
    public static partial void DiscardFailed(ILogger logger, Exception exception);

    [LoggerMessage(1504, LogLevel.Warning, "Room {Room} ({Incarnation}) gets no deliveries for {Delay}; messages stay in their mailboxes")]
    public static partial void RoomLeftAlone(ILogger logger, string room, long incarnation, TimeSpan delay);

    [LoggerMessage(1520, LogLevel.Information, "App {App} was created")]
    public static partial void AppCreated(ILogger logger, string app);

    [LoggerMessage(1521, LogLevel.Information, "App {App} was changed: {Change}")]
    public static partial void AppChanged(ILogger logger, string app, string change);

    [LoggerMessage(1530, LogLevel.Warning, "The store is unavailable; {Method} {Path} got 503")]
    public static partial void StoreUnavailable(ILogger logger, Exception exception, string method, string? path);
}
