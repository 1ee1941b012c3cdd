using PushSystem.Contracts;

namespace PushSystem.Center.Multicasts;

/// <summary>
/// What all parts of one multicast that this process works on share: its newest record, its payload, its pace. Any thread.
/// </summary>
internal sealed class MulticastRun(MulticastRecord record, IPeers peers, TimeProvider time)
{
    private readonly Pace _pace = new(time);
    private volatile MulticastRecord? _record = record;

    /// <summary>The newest record; null when the store does not know it any more.</summary>
    public MulticastRecord? Record
    {
        get => _record;
        set => _record = value;
    }

    /// <summary>Loaded by the first part; any of several equal copies.</summary>
    public ReadOnlyMemory<byte>? Payload { get; set; }

    /// <summary>Parts of it that this process holds. The worker's loop only.</summary>
    public int Held { get; set; }

    /// <summary>A rate holds it back.</summary>
    public bool IsThrottled => _record is { RatePerSecond: > 0 };

    /// <summary>Its messages may be sent.</summary>
    public bool IsOpen => _record is { State: TaskState.Queued or TaskState.Running };

    /// <summary>Its time is over.</summary>
    public bool IsExpired => _record is { ExpiresAt: > 0 } record && record.ExpiresAt <= time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Zero: so many may be sent to now. Otherwise how long to wait. Each living center has the same share of the rate.</summary>
    public TimeSpan TryTake(int persons) => _pace.TryTake(persons, (_record?.RatePerSecond ?? 0) / (double)Math.Max(1, peers.Live.Count));
}
