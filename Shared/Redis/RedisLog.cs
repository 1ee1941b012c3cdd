using Microsoft.Extensions.Logging;

namespace PushSystem.Redis;

/// <summary>Messages of the link.</summary>
internal static partial class RedisLog
{
    [LoggerMessage(7001, LogLevel.Warning, "redis ({Link}): a connection was lost")]
    public static partial void ConnectionLost(ILogger logger, string link);

    [LoggerMessage(7002, LogLevel.Information, "redis ({Link}): connected again")]
    public static partial void ConnectionRestored(ILogger logger, string link);

    [LoggerMessage(7003, LogLevel.Warning, "redis ({Link}): no answer for {Seconds:0.#} s, connecting anew; {Calls} calls are given up")]
    public static partial void Silent(ILogger logger, string link, double seconds, int calls);

    [LoggerMessage(7004, LogLevel.Warning, "redis ({Link}): connecting anew failed")]
    public static partial void ReplaceFailed(ILogger logger, string link, Exception exception);

    [LoggerMessage(7005, LogLevel.Warning, "redis ({Link}) does not serve: {Reason}")]
    public static partial void Away(ILogger logger, string link, string reason);

    [LoggerMessage(7006, LogLevel.Error, "redis ({Link}): a handler of Reconnected failed")]
    public static partial void HandlerFailed(ILogger logger, string link, Exception exception);

    [LoggerMessage(7007, LogLevel.Warning, "redis ({Link}): closing the silent connection takes long and is left to itself")]
    public static partial void CloseHangs(ILogger logger, string link);
}
