using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>A coordinator that kicks who the test says is there.</summary>
internal sealed class FakeCoordinator : ICoordinator
{
    private int _kicks;

    public ConcurrentDictionary<UserKey, bool> Online { get; } = new();

    public int Kicks => Volatile.Read(ref _kicks);

    /// <summary>Awaited before a kick is answered.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public TaskCompletionSource FirstKick { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public async ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _kicks);
        FirstKick.TrySetResult();
        await Gate.WaitAsync(cancellationToken);
        return Online.TryRemove(key, out _);
    }

    public ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken) =>
        throw new InvalidOperationException("the center has no business with this call");

    public ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken) =>
        throw new InvalidOperationException("the center has no business with this call");
}

/// <summary>Kept answers in memory.</summary>
internal sealed class FakeIdempotency : IIdempotencyStore
{
    private readonly ConcurrentDictionary<(string App, string Key), IdempotentAnswer> _answers = new();

    public Exception? Fault { get; set; }

    /// <summary>Runs before an answer is kept: where a test lets another center be faster.</summary>
    public Action<string, string>? BeforeKeep { get; set; }

    public int Count => _answers.Count;

    public ValueTask<IdempotentAnswer?> FindAsync(string app, string key, CancellationToken cancellationToken) =>
        Fault is null ? ValueTask.FromResult(_answers.GetValueOrDefault((app, key))) : throw Fault;

    public ValueTask<bool> KeepAsync(string app, string key, IdempotentAnswer answer, CancellationToken cancellationToken)
    {
        var hook = BeforeKeep;
        BeforeKeep = null;
        hook?.Invoke(app, key);
        return ValueTask.FromResult(_answers.TryAdd((app, key), answer));
    }
}

/// <summary>Keeps what was logged as an error, which fails a test that did not expect it.</summary>
internal sealed class ErrorLog : ILoggerProvider
{
    public ConcurrentQueue<string> Errors { get; } = new();

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(ErrorLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                log.Errors.Enqueue($"{category}: {formatter(state, exception)} {exception}");
        }
    }
}
