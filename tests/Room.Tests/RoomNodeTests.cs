using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using PushSystem.TestSupport;
using PushSystem.Transport;
using PushSystem.Transport.Memory;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class RoomNodeTests
{
    [Fact]
    public void The_default_options_are_valid() => new RoomOptions().Validate();

    [Fact]
    public void An_option_out_of_range_is_named()
    {
        var wrong = new (string Name, Action<RoomOptions> Break)[]
        {
            (nameof(RoomOptions.MaxBindings), options => options.MaxBindings = 17),
            (nameof(RoomOptions.LoginTimeout), options => options.LoginTimeout = TimeSpan.Zero),
            (nameof(RoomOptions.HeartbeatDefault), options => options.HeartbeatMax = TimeSpan.FromSeconds(60)),
            (nameof(RoomOptions.HeartbeatMin), options => options.HeartbeatMin = TimeSpan.FromMilliseconds(1500)),
            (nameof(RoomOptions.AckCount), options => options.AckCount = 65),
            (nameof(RoomOptions.AckTimeout), options => options.AckTimeout = TimeSpan.FromSeconds(1)),
            (nameof(RoomOptions.AckQueueLimit), options => options.AckQueueLimit = 1),
            (nameof(RoomOptions.Addresses), options => options.Addresses = [""]),
            (nameof(RoomOptions.GracePeriod), options => options.GracePeriod = TimeSpan.FromDays(1)),
            (nameof(RoomOptions.FanoutChunk), options => options.FanoutChunk = 0),
        };
        foreach (var (name, change) in wrong)
        {
            var options = new RoomOptions();
            change(options);
            Assert.Contains($"Room:{name}", Assert.Throws<ArgumentException>(options.Validate).Message);
        }
    }

    [Fact]
    public async Task A_room_needs_an_identity()
    {
        await using var world = new RoomWorld();
        Assert.Throws<ArgumentException>(() => new RoomNode(new RoomIdentity("", 1), world.Room.Context.Services, new RoomOptions()));
        Assert.Throws<ArgumentException>(() => new RoomNode(new RoomIdentity("x", 0), world.Room.Context.Services, new RoomOptions()));
    }

    [Fact]
    public async Task A_room_starts_once()
    {
        await using var world = new RoomWorld();
        await Assert.ThrowsAsync<InvalidOperationException>(() => world.Room.StartAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Calls_without_items_are_answered_at_once()
    {
        await using var world = new RoomWorld();
        Assert.Empty(await world.Room.DeliverAsync([], CancellationToken.None));
        Assert.Empty(await world.Room.KickAsync([], CancellationToken.None));
    }

    [Fact]
    public async Task Calls_to_a_room_whose_engine_has_stopped_are_answered()
    {
        await using var world = new RoomWorld();
        world.LogIn(Alice);
        await world.Engine.DisposeAsync();
        Assert.Equal(DeliverOutcome.NotHere, world.Push(Alice, "x"));
        Assert.False(world.Kick(Alice));
    }

    [Fact]
    public async Task Deliver_calls_beyond_the_bound_wait_for_their_turn()
    {
        await using var world = new RoomWorld(options => options.MaxDeliverCalls = 1);
        world.LogIn(Alice);
        var first = world.Room.DeliverAsync([world.Mailboxes.Append(Alice, "1")], CancellationToken.None).AsTask();
        var second = world.Room.DeliverAsync([world.Mailboxes.Append(Alice, "2")], CancellationToken.None).AsTask();
        using var cancelled = new CancellationTokenSource();
        var third = world.Room.DeliverAsync([world.Mailboxes.Append(Alice, "3")], cancelled.Token).AsTask();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => third);
        Assert.False(second.IsCompleted);
        Assert.Equal(DeliverOutcome.Taken, world.Await(first)[0]);
        Assert.Equal(DeliverOutcome.Taken, world.Await(second)[0]);
    }

    [Fact]
    public async Task The_container_makes_a_room_that_works()
    {
        await using var world = new RoomWorld();
        await using var engine = new MemoryEngine(new TransportOptions { Shards = 1 }, world.Loggers, world.Clock);
        var services = new ServiceCollection();
        services.AddSingleton<ITransportEngine>(engine);
        services.AddSingleton<IMailboxes>(world.Mailboxes);
        services.AddSingleton<IBroadcastLog>(world.Broadcasts);
        services.AddSingleton<ISessionRegistry>(world.Registry);
        services.AddSingleton<ICoordinator>(world.Coordinator);
        services.AddSingleton<IAppDirectory>(world.Apps);
        services.AddSingleton<IRoomDirectory>(world.Rooms);
        services.AddSingleton<TimeProvider>(world.Clock);
        services.AddSingleton<ILoggerFactory>(world.Loggers);
        services.AddRoom(new RoomIdentity("room-2", 11), new RoomOptions());
        await using var provider = services.BuildServiceProvider();
        var room = provider.GetRequiredService<RoomNode>();
        Assert.Same(room, provider.GetRequiredService<IRoomNode>());
        await room.StartAsync(CancellationToken.None);
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 1 });
        var wire = engine.Connect();
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        Preface.Current.Write(output);
        new LoginMessage("d", "", NetworkType.Unknown, Features.None, 0, [world.Binding(Alice)]).Write(output);
        wire.Send(output.WrittenSpan);
        engine.RunUntilIdle();
        Assert.Equal("room-2", world.Registry.Of(Alice)!.Room);
        Assert.Single(world.Rooms.Kicks);
    }

    [Fact]
    public async Task Random_traffic_on_pool_threads_loses_nothing_and_keeps_order()
    {
        // Real turns on the thread pool: many deliverers, clients that ack, drop and resume on any shard.
        var time = TimeProvider.System;
        var loggers = new RecordingLoggers();
        var broadcasts = new FakeBroadcastLog(time);
        var mailboxes = new FakeMailboxes(broadcasts, time);
        var registry = new FakeRegistry();
        await using var engine = new MemoryEngine(new TransportOptions { Shards = 4 }, loggers, time, MemoryTurns.ThreadPool);
        await using var room = new RoomNode(new RoomIdentity("room-1", 10), new RoomServices
        {
            Engine = engine,
            Mailboxes = mailboxes,
            Broadcasts = broadcasts,
            Registry = registry,
            Coordinator = new FakeCoordinator(),
            Apps = new FakeApps(),
            Loggers = loggers,
        }, new RoomOptions { WindowMessages = 8, AckCount = 2, FrameBurst = 1_000_000, FramesPerSecond = 1_000_000 });
        await room.StartAsync(CancellationToken.None);
        const int users = 8, messages = 400;
        var clients = Enumerable.Range(0, users).Select(i => PoolClient.RunAsync(engine, new UserKey("a", $"u{i}"), messages, seed: i)).ToList();
        var deliveries = Enumerable.Range(0, users).Select(i => Task.Run(async () =>
        {
            var key = new UserKey("a", $"u{i}");
            await Waiting.Until(() => registry.Of(key) is not null, $"{key} is bound");
            for (var seq = 1; seq <= messages; seq++)
            {
                var item = mailboxes.Append(key, $"{seq}");
                var outcome = (await room.DeliverAsync([item], CancellationToken.None))[0];
                Assert.Equal(DeliverOutcome.Taken, outcome);
            }
        })).ToList();
        await Waiting.For(Task.WhenAll(deliveries), "all deliveries");
        var resumes = await Waiting.For(Task.WhenAll(clients), "all messages");
        Assert.True(resumes.Sum() > users, "the clients should have resumed many times");
        Assert.Equal(users, room.Sessions);
        Assert.Empty(loggers.Errors);
    }
}
