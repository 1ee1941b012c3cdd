using Xunit;

namespace PushSystem.TestSupport.Tests;

public sealed class FakeClockTests
{
    [Fact]
    public void Timers_fire_in_order_of_their_due_times_and_see_that_time()
    {
        var clock = new FakeClock();
        var start = clock.GetUtcNow();
        var seen = new List<(int, TimeSpan)>();
        using var late = clock.CreateTimer(_ => seen.Add((2, clock.GetUtcNow() - start)), null, TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        using var early = clock.CreateTimer(_ => seen.Add((1, clock.GetUtcNow() - start)), null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan);
        clock.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal([(1, TimeSpan.FromSeconds(1)), (2, TimeSpan.FromSeconds(2))], seen);
    }

    [Fact]
    public void A_periodic_timer_fires_once_per_period()
    {
        var clock = new FakeClock();
        var count = 0;
        using var timer = clock.CreateTimer(_ => count++, null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(5, count);
    }

    [Fact]
    public void A_disposed_timer_never_fires()
    {
        var clock = new FakeClock();
        var fired = false;
        clock.CreateTimer(_ => fired = true, null, TimeSpan.FromSeconds(1), Timeout.InfiniteTimeSpan).Dispose();
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.False(fired);
    }
}
