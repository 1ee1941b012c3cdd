namespace PushSystem.Rpc.Calls;

/// <summary>
/// Counts one method's calls by status, and records latencies: all of them while there are few, one of 2^n when there are many, so that
/// a call costs one interlocked addition. Thread-safe.
/// </summary>
internal sealed class MethodStats(RpcMetrics metrics, string name)
{
    private const int Cancelled = (int)RpcStatus.Stopping + 1;
    /// <summary>Latencies recorded per tick at most, roughly.</summary>
    private const int SamplesPerTick = 64;

    private static readonly string[] StatusNames =
        [.. Enum.GetValues<RpcStatus>().Select(status => RpcMetrics.Snake(status.ToString())), "cancelled"];

    private readonly long[] _counts = new long[Cancelled + 1];
    private long _countAtTick;
    private uint _sampleMask;

    /// <summary>The method's name as a tag.</summary>
    public KeyValuePair<string, object?> Tag { get; } = new("method", name);

    /// <param name="ticks">Duration in the clock's ticks; 0 when the call was not sent.</param>
    public void Ended(RpcStatus status, long ticks)
    {
        var count = Interlocked.Increment(ref _counts[Math.Min((int)status, Cancelled)]);
        if (ticks > 0 && ((uint)count & _sampleMask) == 0 && metrics.LatencyIsWanted)
            metrics.Latency(metrics.Seconds(ticks), Tag);
    }

    public void Tick()
    {
        var count = Volatile.Read(ref _counts[0]);
        var added = count - _countAtTick;
        _countAtTick = count;
        _sampleMask = added <= SamplesPerTick ? 0 : (uint)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)(added / SamplesPerTick)) - 1;
    }

    public IEnumerable<(string Status, long Count)> Counts()
    {
        for (var status = 0; status < _counts.Length; status++)
        {
            if (Volatile.Read(ref _counts[status]) is > 0 and var count)
                yield return (StatusNames[status], count);
        }
    }
}
