using System.Diagnostics.Metrics;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Room.Tests.Support;
using static PushSystem.Room.Tests.Support.RoomWorld;

namespace PushSystem.Room.Tests;

public class MetricsTests
{
    [Fact]
    public async Task What_happens_is_counted_by_kind()
    {
        await using var world = new RoomWorld(options => (options.WindowMessages, options.AckCount) = (2, 1));
        var counts = new Dictionary<string, double>();
        using var listener = Listen(world, counts);
        var client = world.LogIn(0, Alice);
        world.Connect().Login(world.Binding(new UserKey("nope", "x")));
        world.Push(Alice, "1234");
        world.Push(Alice, "12");
        world.Push(Alice, "1");
        client.Ack(2);
        world.Fanout(world.Broadcasts.Append("a", "news"));
        world.Deliver(DeliveryTests.Transient("t"));
        client.SendUp(1);
        world.Mailboxes.Lose(Alice);
        world.Push(Alice, "new");
        client.Drop();
        var next = world.Connect(1);
        next.Resume(client.ResumeTicket, ResumeTests.Position(0));
        world.Connect().Resume([1]);
        world.LogIn(0, Bob).Drop();
        world.LogIn(1, Alice);
        listener.RecordObservableInstruments();
        Assert.Equal(3, counts["push_room_connections"]);
        Assert.Equal(2, counts["push_room_sessions"]);
        Assert.Equal(1, counts["push_room_detached"]);
        Assert.Equal((3, 1), (counts["push_room_binds Ok"], counts["push_room_binds AppUnknown"]));
        Assert.Equal((1, 1), (counts["push_room_resumes Ok"], counts["push_room_resumes ResumeUnknown"]));
        Assert.Equal(1, counts["push_room_pushes transient"]);
        // "new" and "news" were sent to each of Alice's three connections, which acked neither.
        Assert.Equal(6, counts["push_room_pushes mailbox"]);
        Assert.Equal(3, counts["push_room_pushes broadcast"]);
        Assert.Equal(16, counts["push_room_push_bytes mailbox"]);
        Assert.Equal(1, counts["push_room_window_full"]);
        Assert.Equal(1, counts["push_room_acks"]);
        Assert.Equal(1, counts["push_room_resets DataLoss"]);
        Assert.Equal(1, counts["push_room_upstream Ok"]);
        Assert.Equal(1, counts["push_room_replaced"]);
        Assert.Equal(1, counts["push_room_closes Replaced"]);
    }

    [Fact]
    public async Task Failures_of_stores_are_counted_by_call()
    {
        await using var world = new RoomWorld();
        var counts = new Dictionary<string, double>();
        using var listener = Listen(world, counts);
        world.Registry.Script.Fail("BindAsync");
        world.Connect().Login(world.Binding(Alice));
        Assert.Equal(1, counts["push_room_store_errors ISessionRegistry.BindAsync"]);
    }

    private static MeterListener Listen(RoomWorld world, Dictionary<string, double> counts)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, target) =>
            {
                if (instrument.Meter == world.Room.Context.Metrics.Meter)
                    target.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            var name = tags.IsEmpty ? instrument.Name : $"{instrument.Name} {tags[0].Value}";
            lock (counts)
                counts[name] = instrument.IsObservable ? value : counts.GetValueOrDefault(name) + value;
        });
        listener.Start();
        return listener;
    }
}
