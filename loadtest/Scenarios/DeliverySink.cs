using PushSystem.Loadtest.Checks;
using PushSystem.Loadtest.Clients;
using PushSystem.Loadtest.Reports;
using PushSystem.Protocol;

namespace PushSystem.Loadtest.Scenarios;

/// <summary>
/// Checks and times what the clients receive; everything is kept per loop, so that no lock is on the way. The optional arrival
/// board notes when each broadcast reached how many.
/// </summary>
internal sealed class DeliverySink(DeliveryChecker checker, int loops, TimeProvider time, int broadcasts = 0) : IPushSink
{
    private readonly PerLoop[] _loops = [.. Enumerable.Range(0, loops).Select(_ => new PerLoop(broadcasts))];
    private readonly double _ticksPerMicrosecond = time.TimestampFrequency / 1_000_000.0;

    private sealed class PerLoop(int broadcasts)
    {
        public readonly CheckCounts Counts = new();
        public readonly LatencyHistogram Latency = new();
        public readonly long[] Arrived = new long[broadcasts];
        public readonly long[] LastArrival = new long[broadcasts];
    }

    /// <summary>The loops' counts.</summary>
    public IEnumerable<CheckCounts> Counts => _loops.Select(loop => loop.Counts);

    /// <summary>New messages of this run so far.</summary>
    public long Received => _loops.Sum(loop => Volatile.Read(ref loop.Counts.Received));

    /// <summary>All loops' latencies.</summary>
    public LatencyHistogram Latency()
    {
        var sum = new LatencyHistogram();
        foreach (var loop in _loops)
            sum.Add(loop.Latency);
        return sum;
    }

    /// <summary>How many a broadcast (from 1) has reached, and the timestamp of the last arrival.</summary>
    public (long Arrived, long Last) Arrivals(int number) =>
        (_loops.Sum(loop => Volatile.Read(ref loop.Arrived[number - 1])), _loops.Max(loop => Volatile.Read(ref loop.LastArrival[number - 1])));

    void IPushSink.Received(int loop, VirtualClient client, in PushMessage push, long now)
    {
        var mine = _loops[loop];
        if (!checker.Receive(client.Number, push.Payload, mine.Counts, out var stamp))
            return;
        mine.Latency.Record((long)((now - stamp.Time) / _ticksPerMicrosecond));
        if (stamp.Kind != PayloadStamp.Broadcast || stamp.Number > mine.Arrived.Length)
            return;
        mine.Arrived[stamp.Number - 1]++;
        mine.LastArrival[stamp.Number - 1] = now;
    }

    void IPushSink.Reset(int loop, VirtualClient client, in ResetMessage reset, long skipped) =>
        checker.Cover(client.Number, skipped, reset.Reason);
}
