using PushSystem.Register.Redis;
using PushSystem.TestSupport;

namespace PushSystem.Register.Tests.Redis;

/// <summary>What is known of the server's clock.</summary>
public sealed class RedisClockTests
{
    private readonly FakeClock _time = new();
    private readonly RedisClock _clock;

    public RedisClockTests() => _clock = new RedisClock(_time);

    [Fact]
    public void The_fastest_answer_counts_for_a_minute()
    {
        Assert.False(_clock.IsKnown);
        _clock.Sample(_time.GetTimestamp(), 1_000_500);
        Assert.True(_clock.IsKnown);
        Assert.Equal(1_000_500 + 1_000_000, _clock.After(TimeSpan.FromSeconds(1)));
        // This one was 400 µs quicker, that one slower.
        _clock.Sample(_time.GetTimestamp(), 1_000_100);
        _clock.Sample(_time.GetTimestamp(), 1_000_900);
        Assert.Equal(1_000_100, _clock.After(TimeSpan.Zero));
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(11_000_100, _clock.After(TimeSpan.Zero));
        _time.Advance(TimeSpan.FromSeconds(60));
        _clock.Sample(_time.GetTimestamp(), 71_000_900);
        Assert.Equal(71_000_900, _clock.After(TimeSpan.Zero));
    }

    [Fact]
    public void A_clock_that_was_set_or_belongs_to_another_server_is_learned_anew()
    {
        _clock.Sample(_time.GetTimestamp(), 1_000_000);
        _clock.Sample(_time.GetTimestamp(), 5_000_000, reset: true);
        Assert.Equal(5_000_000, _clock.After(TimeSpan.Zero));
        _clock.Forget();
        Assert.False(_clock.IsKnown);
        _clock.Sample(_time.GetTimestamp(), 9_000_000);
        Assert.Equal(9_000_000, _clock.After(TimeSpan.Zero));
    }
}
