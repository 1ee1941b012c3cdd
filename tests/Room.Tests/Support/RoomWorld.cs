using System.Net;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using PushSystem.Transport;
using PushSystem.Transport.Memory;

namespace PushSystem.Room.Tests.Support;

/// <summary>
/// A room on an engine without sockets, a clock that stands still and fakes of everything else. Turns run in <see cref="Run"/> only.
/// Disposing it fails the test when an error was logged that it did not expect.
/// </summary>
internal sealed class RoomWorld : IAsyncDisposable
{
    public static readonly UserKey Alice = new("a", "alice");
    public static readonly UserKey Bob = new("a", "bob");

    public RoomWorld(Action<RoomOptions>? configure = null, int shards = 2, int maxOutputBytes = 256 * 1024, long maxTotalOutputBytes = 256L * 1024 * 1024)
    {
        var options = new RoomOptions();
        configure?.Invoke(options);
        Options = options;
        Broadcasts = new FakeBroadcastLog(Clock);
        Mailboxes = new FakeMailboxes(Broadcasts, Clock);
        Engine = new MemoryEngine(new TransportOptions { Shards = shards, MaxOutputBytes = maxOutputBytes, MaxTotalOutputBytes = maxTotalOutputBytes }, Loggers, Clock);
        Room = new RoomNode(new RoomIdentity("room-1", 10), new RoomServices
        {
            Engine = Engine,
            Mailboxes = Mailboxes,
            Broadcasts = Broadcasts,
            Registry = Registry,
            Coordinator = Coordinator,
            Apps = Apps,
            Rooms = Rooms,
            Incarnation = () => LostLease ? 0 : Lease ?? Room!.Identity.Incarnation,
            MaxOutputBytes = Math.Max(maxOutputBytes, options.MaxDataOutputBytes + RoomOptions.OutputLane),
            Time = Clock,
            Loggers = Loggers,
        }, options);
        Room.StartAsync(CancellationToken.None).GetAwaiter().GetResult();
    }

    public FakeClock Clock { get; } = new();
    public RoomOptions Options { get; }
    public RecordingLoggers Loggers { get; } = new();
    public FakeBroadcastLog Broadcasts { get; }
    public FakeMailboxes Mailboxes { get; }
    public FakeRegistry Registry { get; } = new();
    public FakeCoordinator Coordinator { get; } = new();
    public FakeApps Apps { get; } = new();
    public FakeRooms Rooms { get; } = new();
    public MemoryEngine Engine { get; }
    public RoomNode Room { get; }
    public bool ErrorsExpected { get; set; }

    /// <summary>The lease's deadline has passed and nobody has told the room.</summary>
    public bool LostLease { get; set; }

    /// <summary>The incarnation of the lease, if it is not the room's.</summary>
    public long? Lease { get; set; }

    /// <summary>Runs turns until no shard has anything to do.</summary>
    public void Run() => Engine.RunUntilIdle();

    /// <summary>Moves the clock on in steps, each followed by the turns it causes.</summary>
    public void Advance(double seconds, double step = 0.1)
    {
        for (var left = TimeSpan.FromSeconds(seconds); left > TimeSpan.Zero;)
        {
            var by = left < TimeSpan.FromSeconds(step) ? left : TimeSpan.FromSeconds(step);
            Clock.Advance(by);
            Run();
            left -= by;
        }
    }

    /// <summary>For what a background loop does: runs turns until the condition holds.</summary>
    public Task Until(Func<bool> condition, string phase) => Waiting.Until(() =>
    {
        Run();
        return condition();
    }, phase);

    /// <summary>Waits until the registry was told of every session that has ended.</summary>
    public Task Unregistered() => Until(() => Room.Context.Unregistrar.IsIdle, "the registry was told");

    public TestClient Connect(int? shard = null, IPEndPoint? remote = null) => new(this, Engine.Connect(remote, shard));

    /// <summary>A connection that has logged in with these users.</summary>
    public TestClient LogIn(int? shard, params UserKey[] users)
    {
        var client = Connect(shard);
        var answer = client.Login([.. users.Select(user => Binding(user))]);
        Assert.All(answer.Results, result => Assert.Equal(ReasonCode.Ok, result.Code));
        return client;
    }

    public TestClient LogIn(params UserKey[] users) => LogIn(null, users);

    public byte[] TicketFor(UserKey key, TimeSpan? life = null) =>
        Ticket.Issue(FakeApps.Key, key.App, key.User, Clock.GetUtcNow() + (life ?? TimeSpan.FromHours(1)));

    public BindRequest Binding(UserKey key, bool pull = false, StreamPosition mailbox = default, StreamPosition broadcast = default) =>
        new(key.App, key.User, TicketFor(key), pull, mailbox, broadcast);

    public DeliverOutcome Deliver(params DeliverItem[] items) => DeliverAll(items)[0];

    public IReadOnlyList<DeliverOutcome> DeliverAll(params DeliverItem[] items) =>
        Await(Room.DeliverAsync(items, CancellationToken.None).AsTask());

    /// <summary>Stores a message and delivers it, as the center does.</summary>
    public DeliverOutcome Push(UserKey key, string text) => Deliver(Mailboxes.Append(key, text));

    public bool Kick(UserKey key, long generation = 0, ReasonCode reason = ReasonCode.Kicked) =>
        Await(Room.KickAsync([new KickItem(key, generation, reason)], CancellationToken.None).AsTask())[0];

    public FanoutProgress Fanout(FanoutCommand command)
    {
        var progress = Await(Room.FanoutAsync(command, CancellationToken.None).AsTask());
        Run();
        return progress;
    }

    public FanoutProgress Query(FanoutCommand command) =>
        Await(Room.FanoutAsync(command with { Action = FanoutAction.Query }, CancellationToken.None).AsTask());

    /// <summary>Runs turns until a call to the room has been answered.</summary>
    public T Await<T>(Task<T> task)
    {
        Run();
        var started = TimeProvider.System.GetTimestamp();
        while (!task.Wait(1))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Waiting.Limit, "a call to the room was not answered");
            Run();
        }
        return task.Result;
    }

    public async ValueTask DisposeAsync()
    {
        await Room.DisposeAsync();
        await Engine.DisposeAsync();
        if (!ErrorsExpected)
            Assert.True(Loggers.Errors.Count == 0, string.Join("\n", Loggers.Errors));
    }
}
