using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class SlowConsumerTests
{
    [Fact]
    public async Task Output_that_is_full_holds_stored_messages_back_and_loses_none()
    {
        await using var world = new RoomWorld(options => options.MaxDataOutputBytes = 10_000);
        var client = world.LogIn(Alice);
        client.Wire.StopReading();
        for (var i = 1; i <= 40; i++)
            Assert.Equal(DeliverOutcome.Taken, world.Push(Alice, new string('x', 1000)));
        client.Wire.ContinueReading();
        Assert.Equal(Enumerable.Range(1, 40).Select(i => (long)i), client.TakePushes());
    }

    [Fact]
    public async Task Small_frames_keep_their_lane_while_messages_wait()
    {
        await using var world = new RoomWorld(options => options.MaxDataOutputBytes = 10_000);
        var client = world.LogIn(Alice);
        client.Wire.StopReading();
        for (var i = 1; i <= 40; i++)
            world.Push(Alice, new string('x', 1000));
        for (var i = 0; i < 100; i++)
            client.Ping();
        client.Wire.ContinueReading();
        var frames = client.TakeAll();
        Assert.Equal(100, frames.Count(frame => frame.Opcode == Opcode.Pong));
        Assert.Equal(40, frames.Count(frame => frame.Opcode == Opcode.Push));
        Assert.False(client.Wire.IsClosed);
    }

    [Fact]
    public async Task A_client_that_does_not_read_at_all_is_closed_and_may_resume()
    {
        await using var world = new RoomWorld(options => options.MaxDataOutputBytes = 10_000);
        var slow = 0;
        using var listener = CountSlowCloses(world, () => slow++);
        var client = world.LogIn(Alice);
        client.Wire.StopReading();
        for (var i = 1; i <= 40; i++)
            world.Push(Alice, new string('x', 1000));
        world.Advance(29.5);
        Assert.False(client.Wire.IsClosed);
        world.Advance(0.9);
        client.ExpectClosed();
        Assert.Equal(1, slow);
        var next = world.Connect();
        Assert.Equal(ReasonCode.Ok, next.Resume(client.ResumeTicket, ResumeTests.Position(0)).Code);
        Assert.Equal(40, next.TakePushes().Count);
    }

    [Fact]
    public async Task A_client_that_reads_slowly_but_steadily_is_kept()
    {
        await using var world = new RoomWorld(options => options.MaxDataOutputBytes = 10_000);
        var client = world.LogIn(Alice);
        client.Wire.StopReading(200);
        for (var i = 1; i <= 40; i++)
            world.Push(Alice, new string('x', 1000));
        var got = 0;
        for (var i = 0; i < 40; i++)
        {
            got += client.Wire.TakeReceived().Length;
            world.Advance(5, 0.5);
            if (i % 10 == 9)
                client.Ping();
        }
        Assert.InRange(got, 5_000, 40_000);
        Assert.False(client.Wire.IsClosed);
    }

    [Fact]
    public async Task A_client_held_back_by_the_limit_over_all_goes_on_when_others_have_been_served()
    {
        await using var world = new RoomWorld(maxOutputBytes: 20_000, maxTotalOutputBytes: 20_000);
        var hog = world.LogIn(0, Bob);
        var client = world.LogIn(1, Alice);
        hog.Wire.StopReading();
        for (var i = 1; i <= 19; i++)
            world.Push(Bob, new string('x', 1000));
        world.Push(Alice, new string('y', 2000));
        world.Advance(20);
        client.ExpectNothing();
        hog.Wire.ContinueReading();
        world.Advance(0.5);
        client.ExpectPush(new string('y', 2000));
        Assert.False(client.Wire.IsClosed);
    }

    [Fact]
    public async Task Transient_messages_are_dropped_while_output_waits()
    {
        await using var world = new RoomWorld(options => options.MaxDataOutputBytes = 10_000);
        var client = world.LogIn(Alice);
        client.Wire.StopReading();
        for (var i = 1; i <= 20; i++)
            world.Push(Alice, new string('x', 1000));
        Assert.Equal(DeliverOutcome.Dropped, world.Deliver(DeliveryTests.Transient("t")));
    }

    [Fact]
    public async Task A_client_that_floods_its_own_answers_is_closed_as_slow()
    {
        await using var world = new RoomWorld(options => (options.FrameBurst, options.FramesPerSecond) = (1_000_000, 1_000_000), maxOutputBytes: 8_192);
        var client = world.LogIn(Alice);
        client.Wire.StopReading();
        for (var i = 0; i < 6_000 && !client.Wire.IsClosed; i++)
            client.Ping();
        client.ExpectClosed();
    }

    [Fact]
    public async Task One_slow_client_does_not_hold_up_others_in_a_broadcast()
    {
        await using var world = new RoomWorld(options => options.MaxDataOutputBytes = 10_000, shards: 1);
        var slow = world.LogIn(Alice);
        var quick = world.LogIn(Bob);
        slow.Wire.StopReading();
        FanoutProgress progress = default;
        for (var i = 0; i < 40; i++)
        {
            var command = world.Broadcasts.Append("a", new string('x', 1000));
            world.Fanout(command);
            progress = world.Query(command);
        }
        Assert.True(progress.Finished);
        Assert.Equal(40, quick.TakePushes().Count);
        slow.Wire.ContinueReading();
        Assert.Equal(40, slow.TakePushes().Count);
    }

    private static System.Diagnostics.Metrics.MeterListener CountSlowCloses(RoomWorld world, Action count)
    {
        var listener = new System.Diagnostics.Metrics.MeterListener
        {
            InstrumentPublished = (instrument, target) =>
            {
                if (instrument.Meter == world.Room.Context.Metrics.Meter && instrument.Name == "push_room_slow_closes")
                    target.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => count());
        listener.Start();
        return listener;
    }
}
