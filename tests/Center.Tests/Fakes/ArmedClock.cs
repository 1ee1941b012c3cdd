using PushSystem.TestSupport;

namespace PushSystem.Center.Tests.Fakes;

/// <summary>A clock that stands still and tells how many timers wait for it, so that a test advances it only when somebody does.</summary>
internal sealed class ArmedClock : TimeProvider
{
    private readonly FakeClock _clock = new();
    private int _timers;

    public int TimerCount => Volatile.Read(ref _timers);

    public override long TimestampFrequency => _clock.TimestampFrequency;

    public override DateTimeOffset GetUtcNow() => _clock.GetUtcNow();

    public override long GetTimestamp() => _clock.GetTimestamp();

    public void Advance(TimeSpan by) => _clock.Advance(by);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        Interlocked.Increment(ref _timers);
        var timer = new CountedTimer(this);
        timer.Inner = _clock.CreateTimer(argument =>
        {
            timer.End();
            callback(argument);
        }, state, dueTime, period);
        return timer;
    }

    /// <summary>A timer that fires once.</summary>
    private sealed class CountedTimer(ArmedClock clock) : ITimer
    {
        private bool _hasEnded;

        public ITimer Inner { get; set; } = null!;

        public void End()
        {
            if (!Interlocked.Exchange(ref _hasEnded, true))
                Interlocked.Decrement(ref clock._timers);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => Inner.Change(dueTime, period);

        public void Dispose()
        {
            End();
            Inner.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
