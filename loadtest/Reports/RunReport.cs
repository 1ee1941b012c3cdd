using System.Text.Json;

namespace PushSystem.Loadtest.Reports;

/// <summary>
/// The outcome of a run: flat numbers with their unit in the name, and what went wrong in words. Filled by the scenario's
/// thread.
/// </summary>
internal sealed class RunReport(string scenario)
{
    private const int MaxErrors = 20;
    private readonly List<KeyValuePair<string, double>> _metrics = [];
    private readonly List<string> _errors = [];

    /// <summary>The scenario's name.</summary>
    public string Scenario { get; } = scenario;

    /// <summary>In the order in which they were added.</summary>
    public IReadOnlyList<KeyValuePair<string, double>> Metrics => _metrics;

    /// <summary>What makes the run fail; the first twenty.</summary>
    public IReadOnlyList<string> Errors => _errors;

    /// <summary>Seen on the way (refusals, disconnects, resets); does not make the run fail.</summary>
    public SortedDictionary<string, long> Notes { get; } = new(StringComparer.Ordinal);

    /// <summary>Nothing went wrong.</summary>
    public bool Ok => _errors.Count == 0;

    /// <summary>Adds a number.</summary>
    public void Add(string name, double value) => _metrics.Add(new(name, double.IsFinite(value) ? value : 0));

    /// <summary>Adds count, percentiles and extremes of a latency, in milliseconds.</summary>
    public void Add(string name, LatencyHistogram histogram)
    {
        Add($"{name}_count", histogram.Count);
        Add($"{name}_ms_mean", Math.Round(histogram.Mean / 1_000, 3));
        foreach (var (suffix, percentile) in ((string, double)[])[("p50", 50), ("p90", 90), ("p99", 99), ("p99_9", 99.9)])
            Add($"{name}_ms_{suffix}", histogram.Percentile(percentile) / 1_000.0);
        Add($"{name}_ms_max", histogram.Max / 1_000.0);
    }

    /// <summary>Says what went wrong.</summary>
    public void Fail(string error)
    {
        if (_errors.Count < MaxErrors)
            _errors.Add(error);
    }

    /// <summary>The value of a metric; throws when it is missing.</summary>
    public double this[string name] => _metrics.Single(metric => metric.Key == name).Value;

    /// <summary>{"scenario","ok","metrics":{name: number},"errors":[…],"notes":{text: count}}</summary>
    public byte[] ToJson()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            writer.WriteString("scenario", Scenario);
            writer.WriteBoolean("ok", Ok);
            writer.WriteStartObject("metrics");
            foreach (var (name, value) in _metrics)
                writer.WriteNumber(name, value);
            writer.WriteEndObject();
            writer.WriteStartArray("errors");
            foreach (var error in _errors)
                writer.WriteStringValue(error);
            writer.WriteEndArray();
            writer.WriteStartObject("notes");
            foreach (var (text, count) in Notes)
                writer.WriteNumber(text, count);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }
        return buffer.ToArray();
    }
}
