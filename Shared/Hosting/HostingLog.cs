using Microsoft.Extensions.Logging;

namespace PushSystem.Hosting;

internal static partial class HostingLog
{
    [LoggerMessage(100, LogLevel.Error, "{Method} {Path} failed unexpectedly")]
    public static partial void RequestFailed(ILogger logger, Exception exception, string method, string? path);
}
