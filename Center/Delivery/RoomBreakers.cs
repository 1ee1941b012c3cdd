using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace PushSystem.Center.Delivery;

/// <summary>
/// Leaves rooms alone whose calls fail again and again, so that nobody waits for them: after some failures in a row no call is made for
/// a while, then one, and with its success all.
/// Owns one state per failing room; any thread; nothing to dispose.
/// </summary>
internal sealed class RoomBreakers(CenterOptions options, TimeProvider time, ILogger<RoomBreakers> logger)
{
    private const int LongestPause = 10;

    private readonly ConcurrentDictionary<(string Room, long Incarnation), State> _failing = new();

    public TimeProvider Time => time;

    /// <summary>Whether the room is left alone now.</summary>
    public bool IsOpen(string room, long incarnation) =>
        _failing.TryGetValue((room, incarnation), out var state) && state.IsOpen(time.GetTimestamp());

    /// <summary>False: make no call. True: make it and tell its outcome.</summary>
    public bool TryEnter(string room, long incarnation)
    {
        if (!_failing.TryGetValue((room, incarnation), out var state))
            return true;
        lock (state)
        {
            if (state.Until is not { } until)
                return true;
            var now = time.GetTimestamp();
            if (now < until)
                return false;
            // One call tries; the others wait for its outcome, or for its time to be over.
            state.Until = now + Ticks(options.RoomTimeout);
            return true;
        }
    }

    public void Succeeded(string room, long incarnation)
    {
        if (!_failing.IsEmpty)
            _failing.TryRemove((room, incarnation), out _);
    }

    public void Failed(string room, long incarnation)
    {
        var state = _failing.GetOrAdd((room, incarnation), static _ => new State());
        TimeSpan pause;
        lock (state)
        {
            if (++state.Failures < options.RoomFailures)
                return;
            var factor = Math.Min(LongestPause, 1L << Math.Min(30, state.Failures - options.RoomFailures));
            pause = options.RoomPause * factor;
            state.Until = time.GetTimestamp() + Ticks(pause);
            if (state.Failures > options.RoomFailures)
                return;
        }
        CenterLog.RoomLeftAlone(logger, room, incarnation, pause);
    }

    /// <summary>The room is gone for good.</summary>
    public void Forget(string room, long incarnation) => _failing.TryRemove((room, incarnation), out _);

    private long Ticks(TimeSpan span) => (long)(span.TotalSeconds * time.TimestampFrequency);

    private sealed class State
    {
        public int Failures { get; set; }

        /// <summary>No call before this timestamp; null = calls are made.</summary>
        public long? Until { get; set; }

        public bool IsOpen(long now)
        {
            lock (this)
                return Until is { } until && now < until;
        }
    }
}
