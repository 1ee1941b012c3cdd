using Microsoft.Extensions.Logging;

namespace PushSystem.Dispatcher;

/// <summary>Log messages of the dispatcher, ids 1600 to 1699.</summary>
internal static partial class DispatcherLog
{
    [LoggerMessage(1600, LogLevel.Warning, "No room of group {Group} can take clients ({Known} rooms known); they are told to come back")]
    public static partial void NoRooms(ILogger logger, string group, int known);

    [LoggerMessage(1601, LogLevel.Information, "Group {Group} has {Count} rooms that can take clients")]
    public static partial void Rooms(ILogger logger, string group, int count);
}
