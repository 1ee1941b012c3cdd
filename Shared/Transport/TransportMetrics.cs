using System.Diagnostics.Metrics;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport;

/// <summary>
/// The engine's instruments, meter "PushSystem.Transport". It owns its meter; any thread may record; the engine's core
/// disposes it after the shards have stopped.
/// </summary>
internal sealed class TransportMetrics : IDisposable
{
    public const string MeterName = "PushSystem.Transport";

    private static readonly CloseCause[] Causes = Enum.GetValues<CloseCause>();

    private readonly Counter<long> _accepted;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _closed;
    private readonly Counter<long> _bytesIn;
    private readonly Counter<long> _bytesOut;
    private readonly Counter<long> _outputWaits;
    private readonly Counter<long> _outputFull;
    private readonly Histogram<double> _wheelLag;
    private readonly KeyValuePair<string, object?>[] _causeTags = Array.ConvertAll(Causes, static cause => Tag("cause", Snake(cause.ToString())));

    public TransportMetrics(EngineCore core)
    {
        Meter.CreateObservableGauge("push_transport_connections", () => core.Connections, "{connection}", "Open connections");
        Meter.CreateObservableGauge("push_transport_output_queued_bytes", () => core.QueuedOutput, "By", "Output that waits for peers");
        Meter.CreateObservableGauge("push_transport_queues", () => core.RentedQueues, "{queue}", "Queues that hold waiting input or output");
        _accepted = Meter.CreateCounter<long>("push_transport_accepted", "{connection}", "Connections accepted");
        _refused = Meter.CreateCounter<long>("push_transport_refused", "{connection}", "Connections not accepted, by reason");
        _closed = Meter.CreateCounter<long>("push_transport_closed", "{connection}", "Connections ended, by cause");
        _bytesIn = Meter.CreateCounter<long>("push_transport_received_bytes", "By", "Bytes read from peers");
        _bytesOut = Meter.CreateCounter<long>("push_transport_sent_bytes", "By", "Bytes taken by peers");
        _outputWaits = Meter.CreateCounter<long>("push_transport_output_waits", "{time}", "Times a connection's output had to wait for its peer");
        _outputFull = Meter.CreateCounter<long>("push_transport_output_full", "{time}", "Sends refused, by the limit that was reached");
        _wheelLag = Meter.CreateHistogram<double>("push_transport_wheel_lag_milliseconds", "ms", "Time from a wheel tick to its run on the shard");
    }

    /// <summary>This engine's own meter.</summary>
    public Meter Meter { get; } = new(MeterName);

    public void Accepted() => _accepted.Add(1);

    /// <param name="reason">One of the <see cref="RefusalReason"/> constants.</param>
    public void Refused(string reason) => _refused.Add(1, Tag("reason", reason));

    public void Closed(CloseCause cause) => _closed.Add(1, _causeTags[(int)cause]);

    public void Moved(long bytesIn, long bytesOut)
    {
        if (bytesIn > 0)
            _bytesIn.Add(bytesIn);
        if (bytesOut > 0)
            _bytesOut.Add(bytesOut);
    }

    public void OutputWaits() => _outputWaits.Add(1);

    /// <param name="total">The engine's limit, not the connection's.</param>
    public void OutputFull(bool total) => _outputFull.Add(1, Tag("limit", total ? "engine" : "connection"));

    public void TickRan(double lagMilliseconds) => _wheelLag.Record(lagMilliseconds);

    public void Dispose() => Meter.Dispose();

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);

    private static string Snake(string name) =>
        string.Concat(name.Select(static (letter, index) => index > 0 && char.IsUpper(letter) ? $"_{char.ToLowerInvariant(letter)}" : $"{char.ToLowerInvariant(letter)}"));

    /// <summary>Why a connection was not accepted.</summary>
    public static class RefusalReason
    {
        public const string ConnectionLimit = "connection_limit";
        public const string Stopping = "stopping";
        public const string AcceptFailed = "accept_failed";
    }
}
