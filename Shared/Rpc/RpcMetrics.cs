using System.Diagnostics.Metrics;
using PushSystem.Rpc.Calls;
using PushSystem.Rpc.Links;

namespace PushSystem.Rpc;

/// <summary>
/// The instruments of one server or of one node's links, meter "PushSystem.Rpc", told apart by the tag "side". It owns its meter and the
/// methods' counters; any thread records; the server or the links dispose it.
/// </summary>
internal sealed class RpcMetrics : IDisposable
{
    public const string MeterName = "PushSystem.Rpc";

    /// <summary>Bounds of latencies, seconds.</summary>
    private static readonly double[] Bounds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

    private readonly LinkClock _clock;
    private readonly KeyValuePair<string, object?> _side;
    private readonly Histogram<double> _latency;
    private readonly Counter<long> _bytesIn;
    private readonly Counter<long> _bytesOut;
    private readonly Counter<long> _opened;
    private readonly Counter<long> _openFailed;
    private readonly Counter<long> _closed;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _lateReplies;
    private readonly Lock _adding = new();
    private MethodStats?[] _methods = new MethodStats?[64];

    /// <param name="side">"client" or "server".</param>
    public RpcMetrics(string side, LinkClock clock)
    {
        _clock = clock;
        Unknown = new MethodStats(this, "unknown");
        _side = new("side", side);
        Meter.CreateObservableCounter("push_rpc_calls", Calls, "{call}", "Calls ended, by method and status");
        _latency = Meter.CreateHistogram<double>(
            "push_rpc_call_seconds", "s", "Time from the start of a call to its end; a sample when there are more than some thousand per second", null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = Bounds });
        _bytesIn = Meter.CreateCounter<long>("push_rpc_received_bytes", "By", "Bytes received on links");
        _bytesOut = Meter.CreateCounter<long>("push_rpc_sent_bytes", "By", "Bytes sent on links");
        _opened = Meter.CreateCounter<long>("push_rpc_links_opened", "{link}", "Links opened, the first and every further time");
        _openFailed = Meter.CreateCounter<long>("push_rpc_link_failures", "{time}", "Attempts to open a link that failed");
        _closed = Meter.CreateCounter<long>("push_rpc_links_ended", "{link}", "Links ended, by cause");
        _refused = Meter.CreateCounter<long>("push_rpc_links_refused", "{link}", "Connections refused before they were links, by reason");
        _lateReplies = Meter.CreateCounter<long>("push_rpc_late_replies", "{reply}", "Replies to calls that had ended already");
    }

    /// <summary>This instance's own meter.</summary>
    public Meter Meter { get; } = new(MeterName);

    /// <summary>The counters of calls to methods that are not known.</summary>
    public MethodStats Unknown { get; }

    /// <summary>Adds the gauges over open links.</summary>
    public void Observe(Func<IEnumerable<LinkConnection>> links)
    {
        Meter.CreateObservableGauge("push_rpc_links", () => new Measurement<long>(links().LongCount(), _side), "{link}", "Open links");
        Meter.CreateObservableGauge("push_rpc_in_flight", () => new Measurement<long>(links().Sum(link => (long)link.InFlight), _side), "{call}", "Calls in flight");
        Meter.CreateObservableGauge("push_rpc_queued_bytes", () => new Measurement<long>(links().Sum(link => link.QueuedBytes), _side), "By", "Bytes that wait to be sent");
    }

    /// <summary>The counters of a method. Takes no lock once they exist.</summary>
    public MethodStats Method(ushort id, string name)
    {
        var methods = Volatile.Read(ref _methods);
        return id < methods.Length && methods[id] is { } found ? found : Add(id, name);
    }

    /// <summary>Called at each tick: adapts how many latencies are recorded.</summary>
    public void Tick()
    {
        foreach (var method in _methods)
            method?.Tick();
    }

    public void Latency(double seconds, KeyValuePair<string, object?> method) => _latency.Record(seconds, method, _side);

    public bool LatencyIsWanted => _latency.Enabled;

    public double Seconds(long ticks) => _clock.Seconds(ticks);

    public void Received(int bytes) => _bytesIn.Add(bytes, _side);

    public void Sent(int bytes) => _bytesOut.Add(bytes, _side);

    public void Opened() => _opened.Add(1, _side);

    public void OpenFailed() => _openFailed.Add(1);

    public void Closed(LinkEnd end) => _closed.Add(1, _side, new("cause", Snake(end.ToString())));

    /// <param name="reason">A constant or the name of a refusal.</param>
    public void Refused(string reason) => _refused.Add(1, new KeyValuePair<string, object?>("reason", Snake(reason)));

    public void LateReply() => _lateReplies.Add(1);

    public void Dispose() => Meter.Dispose();

    internal static string Snake(string name) =>
        string.Concat(name.Select(static (letter, index) => index > 0 && char.IsUpper(letter) ? $"_{char.ToLowerInvariant(letter)}" : $"{char.ToLowerInvariant(letter)}"));

    private IEnumerable<Measurement<long>> Calls()
    {
        foreach (var method in _methods.Append(Unknown))
        {
            if (method is null)
                continue;
            foreach (var (status, count) in method.Counts())
                yield return new Measurement<long>(count, _side, method.Tag, new("status", status));
        }
    }

    private MethodStats Add(ushort id, string name)
    {
        lock (_adding)
        {
            var methods = _methods;
            if (id >= methods.Length)
                Array.Resize(ref methods, Math.Max(id + 1, Math.Min(2 * methods.Length, ushort.MaxValue + 1)));
            var stats = methods[id] ??= new MethodStats(this, name);
            Volatile.Write(ref _methods, methods);
            return stats;
        }
    }
}
