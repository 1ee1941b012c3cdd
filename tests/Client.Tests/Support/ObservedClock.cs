using PushSystem.TestSupport;

namespace PushSystem.Client.Tests.Support;

/// <summary>
/// A <see cref="FakeClock"/> that tells when a timer of a certain length is armed, so that a test advances only after the code under
/// test has begun to wait. Thread-safe.
/// </summary>
internal sealed class ObservedClock : TimeProvider
{
    private readonly FakeClock _inner = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<ObservedTimer, TimeSpan> _armed = [];
    private readonly List<(Func<TimeSpan, bool> Matches, TaskCompletionSource<TimeSpan> Seen)> _waiters = [];

    public override long TimestampFrequency => _inner.TimestampFrequency;
    public override TimeZoneInfo LocalTimeZone => _inner.LocalTimeZone;
    public override DateTimeOffset GetUtcNow() => _inner.GetUtcNow();
    public override long GetTimestamp() => _inner.GetTimestamp();

    public void Advance(TimeSpan by) => _inner.Advance(by);

    /// <summary>Waits until a timer of exactly this length is armed.</summary>
    public Task ArmedAsync(TimeSpan due, string phase) => ArmedAsync(d => d == due, $"{phase}: a timer of {due.TotalMilliseconds} ms");

    /// <summary>Waits until a timer is armed whose length matches, and returns the length.</summary>
    public Task<TimeSpan> ArmedAsync(Func<TimeSpan, bool> matches, string phase)
    {
        var seen = new TaskCompletionSource<TimeSpan>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            foreach (var due in _armed.Values)
            {
                if (matches(due))
                    return Task.FromResult(due);
            }
            _waiters.Add((matches, seen));
        }
        return Waiting.For(seen.Task, phase);
    }

    /// <summary>Whether a timer of this length is armed now.</summary>
    public bool IsArmed(TimeSpan due)
    {
        lock (_lock)
            return _armed.ContainsValue(due);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ObservedTimer(this, callback, state);
        timer.Inner = _inner.CreateTimer(static t => ((ObservedTimer)t!).Fire(), timer, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        timer.Change(dueTime, period);
        return timer;
    }

    private void Set(ObservedTimer timer, TimeSpan due)
    {
        List<TaskCompletionSource<TimeSpan>> seen = [];
        lock (_lock)
        {
            if (due == Timeout.InfiniteTimeSpan)
            {
                _armed.Remove(timer);
                return;
            }
            _armed[timer] = due;
            for (var i = _waiters.Count - 1; i >= 0; i--)
            {
                if (!_waiters[i].Matches(due))
                    continue;
                seen.Add(_waiters[i].Seen);
                _waiters.RemoveAt(i);
            }
        }
        foreach (var waiter in seen)
            waiter.TrySetResult(due);
    }

    private sealed class ObservedTimer(ObservedClock clock, TimerCallback callback, object? state) : ITimer
    {
        public ITimer Inner { get; set; } = null!;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            var changed = Inner.Change(dueTime, period);
            clock.Set(this, dueTime);
            return changed;
        }

        public void Fire()
        {
            clock.Set(this, Timeout.InfiniteTimeSpan);
            callback(state);
        }

        public void Dispose()
        {
            clock.Set(this, Timeout.InfiniteTimeSpan);
            Inner.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
