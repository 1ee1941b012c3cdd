using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace PushSystem.Transport.Tests;

/// <summary>Keeps what was logged at Warning or above, so that a test can demand silence or one entry.</summary>
internal sealed class RecordingLoggers : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _entries = [];

    public IReadOnlyList<string> Errors => [.. _entries.Where(static entry => entry.Level >= LogLevel.Error).Select(static entry => entry.Text)];

    public IReadOnlyList<string> Warnings => [.. _entries.Where(static entry => entry.Level == LogLevel.Warning).Select(static entry => entry.Text)];

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("This factory only records.");

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (IsEnabled(logLevel))
            _entries.Enqueue((logLevel, $"{formatter(state, exception)} {exception}"));
    }

    public void Dispose()
    {
    }
}
