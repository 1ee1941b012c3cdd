using Microsoft.Extensions.Logging;
using PushSystem.Protocol;
using PushSystem.Transport;

namespace PushSystem.Room;

/// <summary>Every log message of the room. Ids 1000–1099: life of the room; 1100–1199: connections; 1200–1299: stores.</summary>
internal static partial class RoomLog
{
    [LoggerMessage(1000, LogLevel.Information, "Room {NodeId} incarnation {Incarnation} listens on {EndPoints}")]
    public static partial void Started(ILogger logger, string nodeId, long incarnation, string endPoints);

    [LoggerMessage(1001, LogLevel.Information, "Room {NodeId} drains {Connections} connections within {Window}")]
    public static partial void Draining(ILogger logger, string nodeId, int connections, TimeSpan window);

    [LoggerMessage(1002, LogLevel.Information, "Room {NodeId} has drained; {Connections} connections are left")]
    public static partial void Drained(ILogger logger, string nodeId, int connections);

    [LoggerMessage(1003, LogLevel.Error, "Background work {Work} of the room failed")]
    public static partial void WorkFailed(ILogger logger, string work, Exception exception);

    [LoggerMessage(1004, LogLevel.Warning, "Room {NodeId} has lost incarnation {Incarnation}: it takes no deliveries and binds nobody until there is a new one")]
    public static partial void Fenced(ILogger logger, string nodeId, long incarnation);

    [LoggerMessage(1005, LogLevel.Warning, "Room {NodeId} goes on with incarnation {Incarnation} and binds its {Sessions} sessions again")]
    public static partial void Renewed(ILogger logger, string nodeId, long incarnation, int sessions);

    [LoggerMessage(1006, LogLevel.Warning, "{Parts} of {Count} parts of the registry stand on other data: their sessions are bound again")]
    public static partial void RegistryLostData(ILogger logger, int parts, int count);

    [LoggerMessage(1007, LogLevel.Information, "Settings of the room were changed; {WaitForStart} of the changed ones count from the next start only")]
    public static partial void SettingsApplied(ILogger logger, int waitForStart);

    [LoggerMessage(1100, LogLevel.Debug, "Connection {ConnectionId} ends with {Code}: {Text}")]
    public static partial void ConnectionFailed(ILogger logger, ulong connectionId, ReasonCode code, string text);

    [LoggerMessage(1101, LogLevel.Debug, "Connection {ConnectionId} is gone: {Cause}")]
    public static partial void ConnectionClosed(ILogger logger, ulong connectionId, CloseCause cause);

    [LoggerMessage(1102, LogLevel.Debug, "Session {Key} of connection {ConnectionId} ended: {End}")]
    public static partial void SessionEnded(ILogger logger, Contracts.UserKey key, ulong connectionId, Sessions.SessionEnd end);

    [LoggerMessage(1200, LogLevel.Warning, "{Call} is not available: {Reason}")]
    public static partial void StoreUnavailable(ILogger logger, string call, string reason);

    [LoggerMessage(1201, LogLevel.Error, "{Call} failed unexpectedly")]
    public static partial void StoreFailed(ILogger logger, string call, Exception exception);

    [LoggerMessage(1202, LogLevel.Warning, "{Queue} is full; what comes now is dropped")]
    public static partial void QueueFull(ILogger logger, string queue);
}
