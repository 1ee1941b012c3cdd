using Microsoft.Extensions.Logging;

namespace PushSystem.Hosting;

/// <summary>The log as every process writes it: one line per entry on standard output, times in UTC.</summary>
public static class ConsoleLog
{
    /// <summary>Replaces the providers that are there by the console.</summary>
    public static ILoggingBuilder AddConsoleLog(this ILoggingBuilder logging) =>
        logging.ClearProviders().AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
        });
}
