using System.Net;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class SettingsTests
{
    [Fact]
    public async Task New_settings_count_for_clients_that_are_connected_and_for_new_ones()
    {
        await using var world = new RoomWorld();
        var client = world.LogIn(Alice);
        var waiting = world.Room.Apply(new RoomOptions
        {
            HeartbeatMin = TimeSpan.FromSeconds(60),
            WindowMessages = 2,
            AckCount = 2,
            MaxConnections = 2,
            DeniedNetworks = [IPNetwork.Parse("10.0.0.0/8")],
            ConnectionsPerSecondPerAddress = 1,
            ConnectionBurstPerAddress = 1,
            MaxConcurrentLogins = 1,
        });
        Assert.Empty(waiting);
        for (var i = 0; i < 4; i++)
            world.Push(Alice, "x");
        Assert.Equal([1, 2], client.TakePushes());
        client.Ping(20);
        Assert.Equal(60, PongMessage.Read(client.Expect(Opcode.Pong).Body).HeartbeatMinSeconds);
        world.Connect(remote: new IPEndPoint(IPAddress.Parse("10.0.0.1"), 1)).ExpectError(ReasonCode.AccessDenied);
        var address = new IPEndPoint(IPAddress.Parse("192.0.2.1"), 1);
        var next = world.Connect(remote: address);
        Assert.Equal((60, 2), (next.Login(world.Binding(Bob)).Settings is var settings ? settings.HeartbeatMinSeconds : 0, settings.AckCount));
        world.Connect(remote: address).ExpectError(ReasonCode.RateLimited);
        world.Connect(remote: new IPEndPoint(IPAddress.Parse("192.0.2.2"), 1)).ExpectError(ReasonCode.Busy);
    }

    [Fact]
    public async Task Settings_out_of_range_change_nothing()
    {
        await using var world = new RoomWorld();
        var before = world.Room.Context.Options;
        Assert.Contains("Room:WindowMessages", Assert.Throws<ArgumentException>(() => world.Room.Apply(new RoomOptions { WindowMessages = 0, MaxConnections = 3 })).Message);
        Assert.Same(before, world.Room.Context.Options);
    }

    [Fact]
    public async Task Settings_that_count_from_the_start_only_are_named()
    {
        await using var world = new RoomWorld();
        Assert.Equal([nameof(RoomOptions.MaxDeliverCalls), nameof(RoomOptions.UnbindQueueLimit)],
            world.Room.Apply(new RoomOptions { MaxDeliverCalls = 5, UnbindQueueLimit = 5, FanoutChunk = 5 }));
        Assert.Equal(5, world.Room.Context.Options.FanoutChunk);
    }

    [Fact]
    public async Task Whoever_keeps_the_options_cannot_change_the_room_by_them()
    {
        await using var world = new RoomWorld();
        var options = new RoomOptions();
        world.Room.Apply(options);
        options.WindowMessages = 0;
        options.DeniedNetworks.Add(IPNetwork.Parse("0.0.0.0/0"));
        Assert.Equal(64, world.Room.Context.Options.WindowMessages);
        Assert.Empty(world.Room.Context.Options.DeniedNetworks);
    }

    [Fact]
    public async Task Messages_must_leave_small_frames_a_lane_in_the_transports_output()
    {
        await using var world = new RoomWorld();
        var services = world.Room.Context.Services with { MaxOutputBytes = 100_000 };
        var options = new RoomOptions { MaxDataOutputBytes = 100_000 - 16 * 1024 + 1 };
        Assert.Contains("Room:MaxDataOutputBytes", Assert.Throws<ArgumentException>(() => new RoomNode(new RoomIdentity("x", 1), services, options)).Message);
        options.MaxDataOutputBytes--;
        await using var room = new RoomNode(new RoomIdentity("x", 1), services, options);
        options.MaxDataOutputBytes++;
        Assert.Throws<ArgumentException>(() => room.Apply(options));
    }

    [Fact]
    public async Task A_store_that_hangs_never_stops_acks_reads_checks_or_upstream_for_good()
    {
        await using var world = new RoomWorld(options => options.StoreCallTimeout = TimeSpan.FromSeconds(1), shards: 1);
        var client = world.LogIn(Alice);
        world.Mailboxes.Script.HoldBefore("AckAsync");
        world.Mailboxes.Script.HoldBefore("ReadAsync");
        world.Mailboxes.Script.HoldBefore("PositionsAsync");
        world.Coordinator.Script.HoldBefore("SubmitAsync");
        world.Coordinator.Script.HoldBefore("NotifyAsync");
        world.Push(Alice, "1");
        client.ExpectPush("1");
        client.Ack(1);
        world.Mailboxes.Append(Alice, "2");
        world.Push(Alice, "3");
        client.SendUp(1);
        world.Advance(0.5);
        client.ExpectNothing();
        await world.Until(() =>
        {
            world.Advance(0.2);
            return world.Mailboxes.Of(Alice).Acked == 1 && world.Coordinator.Presence.Count > 0;
        }, "the acks arrive in the end");
        var frames = client.TakeAll();
        Assert.Equal(ReasonCode.NotStored, SendOkMessage.Read(Assert.Single(frames, frame => frame.Opcode == Opcode.SendOk).Body).Code);
        Assert.Equal([2, 3], frames.Where(frame => frame.Opcode == Opcode.Push).Select(frame => PushFrame.Read(frame.Body).Seq));
        client.SendUp(1);
        Assert.Equal(ReasonCode.Ok, client.ExpectSendOk().Code);
        world.Mailboxes.Append(Alice, "4");
        world.Advance(15);
        Assert.Equal([4], client.TakePushes());
    }
}
