using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Coordinator.Tests.Fakes;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Coordinator.Tests;

/// <summary>The stores around a coordinator; they outlive it, so that a test can start another one on them.</summary>
public sealed class Rig : ILoggerProvider, ILogger
{
    public const string App = "shop";

    public static readonly byte[] Secret = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];
    public static readonly byte[] OldSecret = [.. Enumerable.Range(100, 24).Select(i => (byte)i)];

    public MemoryEventQueue Events { get; } = new();
    public MemoryFacts Facts { get; } = new();
    public MemoryApps Apps { get; } = new();
    public MemorySessions Sessions { get; } = new();
    public FakeClock Clock { get; } = new();
    // The clock is advanced in big steps; requests that are only slow in real time must not run into their limit by that.
    public CoordinatorOptions Options { get; } = new() { RequestTimeout = TimeSpan.FromMinutes(5) };

    public void Add(string app, string url, bool presence = false, AppLimits? limits = null, params (string Type, string Url)[] types) =>
        Apps.Set(new AppRecord
        {
            Id = app,
            Webhook = new WebhookSettings(url, types.ToDictionary(type => type.Type, type => type.Url), [Secret, OldSecret], presence),
            Limits = limits ?? new AppLimits(),
        });

    public async Task<Coordinator> StartAsync()
    {
        var coordinator = New();
        await coordinator.StartAsync(CancellationToken.None);
        return coordinator;
    }

    public Coordinator New(CoordinatorCluster? cluster = null) => new(
        Events, Facts, Apps, Sessions, Sessions, Clock, LoggerFactory.Create(builder => builder.AddProvider(this)), Options, cluster: cluster);

    /// <summary>Users of the app who are noted as online.</summary>
    public int OnlineFacts => Facts.All("presence:" + App).Count(fact => Presence.PresenceFact.Read(fact).Online);

    /// <summary>What was logged as an error: a fault of ours, in every test but those that make one.</summary>
    public ConcurrentQueue<string> Errors { get; } = new();

    public ILogger CreateLogger(string categoryName) => this;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel >= LogLevel.Error)
            Errors.Enqueue($"{formatter(state, exception)} {exception}");
    }

    /// <summary>The end of a test.</summary>
    public void Dispose() => Assert.Empty(Errors);

    public UpstreamMessage Message(string user, long id, string text = "hi", string app = App, string type = "chat", PayloadKind kind = PayloadKind.Text) =>
        new(new UserKey(app, user), "device-1", id, type, kind, Encoding.UTF8.GetBytes(text), Clock.GetUtcNow().ToUnixTimeMilliseconds());

    public PresenceChange Change(string user, bool online, long generation, string room = "room-1") =>
        new(new UserKey(App, user), online, generation, "device-1", room, Clock.GetUtcNow().ToUnixTimeMilliseconds());

    /// <summary>Moves the clock in small steps until the condition holds: retries and pauses pass by on the way.</summary>
    public async Task AdvanceUntil(Func<bool> condition, string phase, double stepSeconds = 1)
    {
        await Waiting.Until(() =>
        {
            if (condition())
                return true;
            Clock.Advance(TimeSpan.FromSeconds(stepSeconds));
            return false;
        }, phase);
    }
}
