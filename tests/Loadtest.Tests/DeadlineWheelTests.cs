using PushSystem.Loadtest.Clients;
using Xunit;

namespace PushSystem.Loadtest.Tests;

public sealed class DeadlineWheelTests
{
    [Fact]
    public void Deadlines_fire_once_within_two_ticks_wherever_they_were_moved()
    {
        var random = new Random(3);
        var wheel = new DeadlineWheel(0);
        var clients = Enumerable.Range(0, 200).Select(i => new VirtualClient(i, i, $"u{i}")).ToArray();
        var fired = new Dictionary<int, long>();
        foreach (var client in clients)
        {
            wheel.Set(client, random.NextInt64(1, 400_000));
            wheel.Set(client, random.NextInt64(1, 400_000)); // Earlier or later than the first.
        }
        var wanted = clients.ToDictionary(client => client.Number, client => client.Deadline);
        for (long now = 0; now < 410_000; now += 50)
        {
            wheel.Advance(now, client =>
            {
                Assert.True(fired.TryAdd(client.Number, now), "fired twice");
                wheel.Set(client, long.MaxValue);
            });
        }
        Assert.Equal(clients.Length, fired.Count);
        foreach (var (number, at) in fired)
            Assert.InRange(at - wanted[number], 0, 2 * DeadlineWheel.TickMilliseconds);
    }

    [Fact]
    public void A_cleared_deadline_does_not_fire()
    {
        var wheel = new DeadlineWheel(0);
        var client = new VirtualClient(0, 0, "u");
        wheel.Set(client, 500);
        wheel.Set(client, long.MaxValue);
        wheel.Advance(10_000, _ => Assert.Fail("it was cleared"));
    }
}
