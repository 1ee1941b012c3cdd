using System.Diagnostics.Metrics;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.IncarnationTests;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class ReflushTests
{
    [Fact]
    public async Task A_registry_that_lost_everything_is_told_of_every_session_again()
    {
        await using var world = new RoomWorld(options => options.PositionCheckInterval = TimeSpan.FromHours(1));
        var users = Enumerable.Range(0, 200).Select(i => new UserKey("a", $"u{i}")).ToArray();
        var clients = users.Select(user => world.LogIn(user)).ToArray();
        clients[0].Drop();
        world.Registry.Wipe();
        world.Mailboxes.Append(users[1], "nobody was found");
        await Registered(world, 200);
        ReceivedFrame? found = null;
        await world.Until(() =>
        {
            world.Advance(0.1);
            return (found = clients[1].Next()) is not null;
        }, "the message is found by the look behind the re-flush");
        Assert.Equal("nobody was found", PushFrame.Read(found!.Body).Text);
        ExpectRegistered(world);
        Assert.Equal(10, world.Registry.Of(users[0])!.Incarnation);
        clients[2].ExpectNothing();
        Assert.DoesNotContain(world.Coordinator.Presence, change => !change.Online);
    }

    [Fact]
    public async Task Only_the_sessions_of_the_part_that_lost_its_data_are_bound_again()
    {
        await using var world = new RoomWorld();
        world.Registry.Epochs = [5, 5, 5, 5];
        world.Advance(2);
        var users = Enumerable.Range(0, 100).Select(i => new UserKey("a", $"u{i}")).ToArray();
        foreach (var user in users)
            world.LogIn(user);
        world.Registry.WipePart(2);
        await Registered(world, 100);
        Assert.All(users, user => Assert.Equal(StableHash.Part(user, 4) == 2 ? 2 : 1, world.Registry.Of(user)!.Generation));
        ExpectRegistered(world);
    }

    [Fact]
    public async Task Losses_during_a_re_flush_are_made_good_as_well()
    {
        await using var world = new RoomWorld(options => options.ReflushRate = 200, shards: 1);
        world.Registry.Epochs = [1, 1, 1];
        world.Advance(2);
        for (var i = 0; i < 300; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        world.Registry.Wipe();
        for (var i = 0; i < 6; i++)
        {
            world.Advance(0.9);
            world.Registry.WipePart(i % 3);
        }
        await Registered(world, 300);
        ExpectRegistered(world);
    }

    [Fact]
    public async Task A_re_flush_keeps_to_its_rate_and_shows_how_far_it_is()
    {
        await using var world = new RoomWorld(options => options.ReflushRate = 100, shards: 1);
        for (var i = 0; i < 300; i++)
            world.LogIn(new UserKey("a", $"u{i}"));
        world.Registry.Wipe();
        var started = world.Clock.GetUtcNow();
        await world.Until(() =>
        {
            world.Advance(0.05, 0.05);
            return world.Registry.Count > 50;
        }, "the re-flush has begun");
        Assert.InRange(world.Registry.Count, 51, 100);
        using var listener = new MeterListener();
        var left = 0L;
        listener.InstrumentPublished = (instrument, self) =>
        {
            if (instrument.Meter == world.Room.Context.Metrics.Meter)
                self.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => left = instrument.Name == "push_room_rebind_left" ? value : left);
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.InRange(left, 100, 250);
        await Registered(world, 300);
        Assert.InRange(world.Clock.GetUtcNow() - started, TimeSpan.FromSeconds(2.7), TimeSpan.FromHours(1));
        world.Advance(1);
        listener.RecordObservableInstruments();
        Assert.Equal(0, left);
    }

    [Fact]
    public async Task A_registry_that_is_away_is_asked_again_and_nothing_is_concluded_from_its_silence()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        world.Registry.Script.Fail("EpochsAsync", 5);
        world.Advance(4);
        Assert.Equal(1, world.Registry.Script.Count("BindAsync"));
        world.Registry.Wipe();
        world.Registry.Script.Fail("BindAsync", 2);
        await Registered(world, 1);
        ExpectRegistered(world);
        client.ExpectAlive();
    }

    [Fact]
    public async Task A_registry_that_hangs_does_not_end_the_watch()
    {
        await using var world = new RoomWorld();
        world.LogIn(Alice);
        world.Registry.Script.HoldBefore("EpochsAsync");
        world.Advance(2);
        world.Registry.Wipe();
        await Registered(world, 1);
        ExpectRegistered(world);
    }

    [Fact]
    public async Task Another_number_of_parts_means_that_everything_may_be_lost()
    {
        await using var world = new RoomWorld();
        world.LogIn(Alice);
        world.Registry.Wipe();
        world.Registry.Epochs = [9, 9];
        await Registered(world, 1);
        world.Registry.WipePart(StableHash.Part(Alice, 2));
        await Registered(world, 1);
        ExpectRegistered(world);
    }

    [Fact]
    public async Task A_session_that_was_bound_before_the_registry_was_first_seen_is_bound_again()
    {
        await using var world = new RoomWorld();
        await using var engine = new Transport.Memory.MemoryEngine(new Transport.TransportOptions { Shards = 1 }, world.Loggers, world.Clock);
        world.Registry.Script.Fail("EpochsAsync", 2);
        await using var room = new RoomNode(new RoomIdentity("room-2", 20), world.Room.Context.Services with { Engine = engine, Incarnation = null }, new RoomOptions());
        await room.StartAsync(CancellationToken.None);
        var client = new TestClient(world, engine.Connect());
        client.SendPreface().SendLogin(world.Binding(Alice));
        engine.RunUntilIdle();
        client.ExpectLogin();
        world.Registry.Wipe();
        await world.Until(() =>
        {
            world.Advance(0.1);
            engine.RunUntilIdle();
            return world.Registry.Of(Alice) is { Room: "room-2" };
        }, "bound again");
    }

    [Fact]
    public async Task A_newer_session_elsewhere_wins_also_when_it_is_told_second()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var newer = world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 1 });
        world.Registry.Wipe();
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 1, Generation = newer.Generation });
        world.Advance(3);
        await world.Until(() => world.Room.Sessions == 0, "the older session gives way");
        Assert.Equal(ReasonCode.Replaced, client.ExpectGoAway().Reason);
        Assert.Equal("other", world.Registry.Of(Alice)!.Room);
    }

    [Fact]
    public async Task An_older_session_elsewhere_that_told_the_registry_first_is_kicked_there()
    {
        await using var world = new RoomWorld();
        var older = world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 1 });
        var client = world.LogIn(Alice);
        world.Rooms.Kicks.Clear();
        world.Registry.Wipe();
        world.Registry.Put(new SessionEntry { Key = Alice, Room = "other", Incarnation = 5, Connection = 1, Generation = older.Generation }, keep: true);
        world.Advance(3);
        await world.Until(() => world.Registry.Of(Alice)!.Room == "room-1", "bound again");
        Assert.Equal(new KickItem(Alice, older.Generation, ReasonCode.Replaced), Assert.Single(world.Rooms.Kicks));
        client.ExpectAlive();
    }

    private static Task Registered(RoomWorld world, int sessions) => world.Until(() =>
    {
        world.Advance(0.1);
        return world.Registry.Entries.Count == sessions && world.Room.Context.Registrations.Left == 0 && IsTold(world);
    }, "every session is registered");

    private static bool IsTold(RoomWorld world) => Array.TrueForAll(world.Room.Context.Shards, shard =>
        Enumerable.Range(0, shard.Sessions.HighWater).Where(shard.Sessions.IsUsed).All(slot =>
            world.Registry.Of(shard.Sessions[slot].Key) is { } entry && entry.Generation == shard.Sessions[slot].RegistryGeneration));
}
