using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Fake;

/// <summary>
/// A client on scripted etcds and a clock that stands still. Back-off pauses are one millisecond and all limits are long, so that a
/// test meets only what it asks for. Owned by the test.
/// </summary>
internal sealed class World : IAsyncDisposable
{
    public FakeClock Clock { get; } = new();
    public LogList Log { get; } = new();
    public List<FakeEtcd> Fakes { get; } = [];
    public FakeEtcd Fake => Fakes[0];
    public EtcdClient Client { get; private set; } = null!;

    public static async Task<World> StartAsync(Action<EtcdOptions>? change = null, int fakes = 1)
    {
        var world = new World();
        var options = Options();
        for (var i = 0; i < fakes; i++)
        {
            world.Fakes.Add(await FakeEtcd.StartAsync());
            options.Endpoints.Add(world.Fakes[i].Endpoint);
        }
        change?.Invoke(options);
        world.Client = new EtcdClient(options, world.Clock, new Logger<EtcdClient>(world.Log));
        return world;
    }

    public static EtcdOptions Options() => new()
    {
        CallTimeout = TimeSpan.FromMinutes(1),
        AttemptTimeout = TimeSpan.FromMinutes(1),
        BackOffMin = TimeSpan.FromMilliseconds(1),
        BackOffMax = TimeSpan.FromMilliseconds(1),
        AuthenticationSpread = TimeSpan.Zero,
        MemberInterval = TimeSpan.FromDays(1),
        ListInterval = TimeSpan.FromDays(1),
        HeartbeatInterval = TimeSpan.FromMinutes(5),
    };

    /// <summary>Moves the clock in small steps until the task is done: for pauses whose beginning cannot be seen.</summary>
    public async Task<T> Advance<T>(Task<T> until, TimeSpan? step = null)
    {
        await Advance((Task)until, step);
        return await until;
    }

    /// <inheritdoc cref="Advance{T}"/>
    public async Task Advance(Task until, TimeSpan? step = null)
    {
        await Waiting.Until(
            () =>
            {
                if (!until.IsCompleted)
                    Clock.Advance(step ?? TimeSpan.FromMilliseconds(5));
                return until.IsCompleted;
            },
            "moving the clock until the event");
        await until;
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        foreach (var fake in Fakes)
            await fake.DisposeAsync();
    }
}

/// <summary>Keeps what was logged, and is the factory for loggers that do. Any thread.</summary>
internal sealed class LogList : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, int Id, string Text)> _lines = new();

    public IReadOnlyCollection<(LogLevel Level, int Id, string Text)> Lines => _lines;

    public int Count(int id) => _lines.Count(line => line.Id == id);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new InvalidOperationException("nothing is added to this factory");

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue((logLevel, eventId.Id, formatter(state, exception)));

    public void Dispose()
    {
    }
}
