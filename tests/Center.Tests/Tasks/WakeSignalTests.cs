using PushSystem.Center.Tasks;
using PushSystem.Center.Tests.Fakes;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Tasks;

public sealed class WakeSignalTests
{
    private readonly ArmedClock _clock = new();
    private readonly WakeSignal _signal = new();

    [Fact]
    public async Task A_signal_given_before_the_wait_is_kept_once()
    {
        _signal.Set();
        _signal.Set();
        await Waiting.For(_signal.WaitAsync(TimeSpan.FromHours(1), _clock, CancellationToken.None), "the first wait");
        var second = _signal.WaitAsync(TimeSpan.FromHours(1), _clock, CancellationToken.None);
        Assert.False(second.IsCompleted);
        _signal.Set();
        await Waiting.For(second, "the second wait");
    }

    [Fact]
    public async Task The_wait_ends_with_its_time()
    {
        var wait = _signal.WaitAsync(TimeSpan.FromSeconds(5), _clock, CancellationToken.None);
        _clock.Advance(TimeSpan.FromSeconds(4));
        Assert.False(wait.IsCompleted);
        _clock.Advance(TimeSpan.FromSeconds(1));
        await Waiting.For(wait, "the wait");
    }

    [Fact]
    public async Task The_wait_ends_with_its_cancellation_and_leaves_no_timer()
    {
        using var stop = new CancellationTokenSource();
        var wait = _signal.WaitAsync(TimeSpan.FromSeconds(5), _clock, stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Waiting.For(wait, "the wait"));
        Assert.Equal(0, _clock.TimerCount);
    }
}
