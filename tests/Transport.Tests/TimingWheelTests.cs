namespace PushSystem.Transport.Tests;

public sealed class TimingWheelTests
{
    [Fact]
    public void Id_without_deadline_never_expires()
    {
        var wheel = new TimingWheel(10, 0);
        wheel.Set(5, 100);
        wheel.Clear(5);
        wheel.Clear(1_000_000);
        Assert.False(wheel.TryExpire(1_000_000, out _));
        Assert.Equal(TimingWheel.Never, wheel.Deadline(5));
        Assert.Equal(TimingWheel.Never, wheel.Deadline(1_000_000));
        Assert.Equal(0, wheel.Linked);
    }

    [Fact]
    public void Deadline_between_ticks_is_rounded_up()
    {
        var wheel = new TimingWheel(10, 0);
        wheel.Set(1, 41);
        Assert.False(wheel.TryExpire(49, out _));
        Assert.True(wheel.TryExpire(50, out var id));
        Assert.Equal(1, id);
        Assert.False(wheel.TryExpire(50, out _));
    }

    [Fact]
    public void Deadline_beyond_one_turn_of_the_wheel_is_kept()
    {
        var wheel = new TimingWheel(1, 0, buckets: 8);
        wheel.Set(3, 1_000);
        for (var now = 0; now < 1_000; now++)
            Assert.False(wheel.TryExpire(now, out _));
        Assert.True(wheel.TryExpire(1_000, out var id));
        Assert.Equal(3, id);
    }

    [Fact]
    public void Deadline_set_into_the_past_while_expiring_waits_for_the_next_tick()
    {
        var wheel = new TimingWheel(10, 0);
        wheel.Set(1, 10);
        var rounds = 0;
        while (wheel.TryExpire(100, out var id))
        {
            Assert.True(++rounds < 10);
            wheel.Set(id, 5);
        }
        Assert.Equal(1, rounds);
        Assert.False(wheel.TryExpire(109, out _));
        Assert.True(wheel.TryExpire(110, out _));
    }

    [Fact]
    public void Clock_that_does_not_begin_at_zero_makes_no_difference()
    {
        const long Start = 9_000_000_000_123;
        var wheel = new TimingWheel(100, Start);
        wheel.Set(0, Start + 1);
        wheel.Set(1, Start + 250);
        Assert.False(wheel.TryExpire(Start, out _));
        Assert.True(wheel.TryExpire(Start + 100, out var id));
        Assert.Equal(0, id);
        Assert.False(wheel.TryExpire(Start + 249, out _));
        Assert.True(wheel.TryExpire(Start + 350, out id));
        Assert.Equal(1, id);
    }

    [Fact]
    public void Wrong_arguments_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(static () => new TimingWheel(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new TimingWheel(1, 0, buckets: 100));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new TimingWheel(1, 0, buckets: 1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new TimingWheel(1, 0).Set(-1, 10));
    }

    [Fact]
    public void Nothing_is_allocated_once_the_capacity_is_there()
    {
        var wheel = new TimingWheel(10, 0, capacity: 1_000);
        Use(0);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Use(100_000);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Use(long now)
        {
            for (var id = 0; id < 1_000; id++)
                wheel.Set(id, now + id * 3 % 500);
            for (var id = 0; id < 1_000; id += 7)
                wheel.Set(id, now + 700);
            while (wheel.TryExpire(now + 600, out _))
            {
            }
        }
    }

    // The model: every id expires exactly at the first tick that is neither before its deadline nor already worked off.
    [Theory]
    [InlineData(1, 1, 8)]
    [InlineData(2, 10, 16)]
    [InlineData(3, 7, 64)]
    [InlineData(4, 100, 4096)]
    [InlineData(5, 3, 2)]
    public void Random_use_agrees_with_a_simple_model(int seed, int tick, int buckets)
    {
        var random = new Random(seed);
        long now = random.Next(1_000_000);
        var wheel = new TimingWheel(tick, now, buckets, capacity: 4);
        var dueTicks = new Dictionary<int, long>();
        var deadlines = new Dictionary<int, long>();
        var worked = now / tick;
        var ids = 4;
        for (var step = 0; step < 30_000; step++)
        {
            if (step % 1_000 == 0)
                ids += 20;
            var id = random.Next(ids);
            switch (random.Next(10))
            {
                case 0:
                    wheel.Clear(id);
                    dueTicks.Remove(id);
                    deadlines.Remove(id);
                    break;
                case < 7:
                    Set(id, now + random.Next(random.Next(4) == 0 ? 100_000 : 50 * tick) - tick);
                    break;
                default:
                    now += random.Next(random.Next(20) == 0 ? 5_000 * tick : 3 * tick);
                    Expire(again: 3);
                    break;
            }
            Assert.Equal(deadlines.GetValueOrDefault(id, TimingWheel.Never), wheel.Deadline(id));
        }
        now += 10_000_000;
        Expire(again: int.MaxValue);
        Assert.Empty(dueTicks);
        Assert.Equal(0, wheel.Linked);

        void Set(int id, long deadline)
        {
            wheel.Set(id, deadline);
            deadlines[id] = deadline;
            dueTicks[id] = Math.Max((deadline + tick - 1) / tick, worked + 1);
        }

        void Expire(int again)
        {
            worked = now / tick;
            while (wheel.TryExpire(now, out var id))
            {
                Assert.True(dueTicks.Remove(id, out var due), $"{id} has no deadline");
                Assert.True(due <= worked, $"{id} expired at tick {worked} instead of {due}");
                Assert.True(deadlines.Remove(id));
                if (random.Next(again) == 1)
                    Set(id, now + 1 + random.Next(100 * tick));
            }
            foreach (var (id, due) in dueTicks)
                Assert.True(due > worked, $"{id} did not expire at tick {due} but is alive at {worked}");
        }
    }
}
