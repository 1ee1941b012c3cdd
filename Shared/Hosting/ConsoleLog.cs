using Microsoft.Extensions.Logging;

namespace PushSystem.Hosting;

/// <summary>The log as every process writes it: one line per entry on standard output, times in UTC.</summary>
public static class ConsoleLog
{
    /// <summary>Replaces the providers that are there by the console; of the web server only warnings and worse.</summary>
    public static ILoggingBuilder AddConsoleLog(this ILoggingBuilder logging) =>
        // Two lines per HTTP request would bury everything else and cost more than the request.
        logging.ClearProviders().AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
        });
}
