using Microsoft.Extensions.Logging;

namespace PushSystem.Hosting.Nodes;

internal static partial class NodeLog
{
    [LoggerMessage(110, LogLevel.Information, "{Role} {Node} drains")]
    public static partial void Draining(ILogger logger, string role, string node);

    [LoggerMessage(111, LogLevel.Warning, "{Role} {Node} could not drain within {Limit} and stops all the same")]
    public static partial void DrainTimedOut(ILogger logger, string role, string node, TimeSpan limit);

    [LoggerMessage(112, LogLevel.Warning, "{Role} {Node}: new values of {Settings} hold only after a restart")]
    public static partial void NeedsRestart(ILogger logger, string role, string node, string settings);
}
