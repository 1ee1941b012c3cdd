using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;

namespace PushSystem.Hosting.Metrics;

/// <summary>
/// The process's metrics in Prometheus' text format 0.0.4, gathered from System.Diagnostics.Metrics.
/// Owns the listener and all series; any thread may record or collect; the container disposes it.
/// </summary>
public sealed class PrometheusText : IDisposable
{
    /// <summary>Media type of the text.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly string[] RuntimePrefixes = ["dotnet.gc.", "dotnet.thread_pool.", "dotnet.process."];

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<Instrument, InstrumentSeries> _instruments = new();
    private readonly Lock _collecting = new();

    /// <summary>Starts to listen to the meters named "PushSystem…" and to the runtime's own.</summary>
    public PrometheusText()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (IsWanted(instrument))
                listener.EnableMeasurementEvents(instrument, _instruments.GetOrAdd(instrument, static added => new InstrumentSeries(added)));
        };
        _listener.MeasurementsCompleted = (instrument, _) => _instruments.Remove(instrument, out InstrumentSeries? _);
        _listener.SetMeasurementEventCallback<byte>(static (_, value, tags, state) => ((InstrumentSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<short>(static (_, value, tags, state) => ((InstrumentSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => ((InstrumentSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((InstrumentSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<float>(static (_, value, tags, state) => ((InstrumentSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((InstrumentSeries)state!).Record(value, tags));
        _listener.SetMeasurementEventCallback<decimal>(static (_, value, tags, state) => ((InstrumentSeries)state!).Record((double)value, tags));
        _listener.Start();
    }

    /// <summary>Asks the observable instruments and writes everything.</summary>
    public string Collect()
    {
        lock (_collecting)
        {
            foreach (var series in _instruments.Values)
                series.BeginCollect();
            _listener.RecordObservableInstruments();

            // Two instruments of one name (several rooms in one process) are one family, and equal series are added up.
            var families = new SortedDictionary<string, Family>(StringComparer.Ordinal);
            foreach (var series in _instruments.Values)
            {
                if (!families.TryGetValue(series.Name, out var family))
                    families.Add(series.Name, family = new Family(series.Type, series.Help));
                series.WriteTo(family.Samples);
            }
            return Write(families);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private static bool IsWanted(Instrument instrument) =>
        instrument.Meter.Name.StartsWith("PushSystem", StringComparison.Ordinal)
        || (instrument.Meter.Name == "System.Runtime" && RuntimePrefixes.Any(prefix => instrument.Name.StartsWith(prefix, StringComparison.Ordinal)));

    private static string Write(SortedDictionary<string, Family> families)
    {
        var text = new StringBuilder(16 * 1024);
        foreach (var (name, family) in families)
        {
            if (family.Samples.Count == 0)
                continue;
            if (family.Help.Length > 0)
                text.Append("# HELP ").Append(name).Append(' ').Append(PrometheusNames.EscapeHelp(family.Help)).Append('\n');
            text.Append("# TYPE ").Append(name).Append(' ').Append(family.Type).Append('\n');
            foreach (var (sample, value) in family.Samples)
                text.Append(sample).Append(' ').Append(PrometheusNames.Number(value)).Append('\n');
        }
        return text.ToString();
    }

    private sealed record Family(string Type, string Help)
    {
        // Keeps the order of insertion: a histogram's lines belong together.
        public OrderedDictionary<string, double> Samples { get; } = new(StringComparer.Ordinal);
    }
}
