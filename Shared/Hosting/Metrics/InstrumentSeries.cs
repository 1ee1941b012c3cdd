using System.Diagnostics.Metrics;

namespace PushSystem.Hosting.Metrics;

/// <summary>
/// All series of one instrument, one per set of tags. Recording takes no lock once the series exists. At most
/// <see cref="MaxSeries"/>; what comes later is counted under overflow="true", so that memory stays bounded.
/// </summary>
internal sealed class InstrumentSeries
{
    public const int MaxSeries = 2_000;

    /// <summary>Seconds, from half a millisecond on: for histograms that name no bounds of their own.</summary>
    private static readonly double[] DefaultBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
    /// <summary>What the runtime declares as counters although it goes down again.</summary>
    private static readonly HashSet<string> FallingCounters = ["dotnet.thread_pool.thread.count", "dotnet.thread_pool.queue.length"];

    private static readonly KeyValuePair<string, object?>[] OverflowTags = [new("overflow", "true")];

    private readonly Lock _adding = new();
    private readonly bool _isObservable;
    private readonly bool _isSet;
    private readonly double[]? _bounds;
    private volatile Table _table = new(8);

    public InstrumentSeries(Instrument instrument)
    {
        _isObservable = instrument.IsObservable;
        var type = instrument.GetType();
        var definition = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        if (definition == typeof(Histogram<>))
        {
            Type = "histogram";
            _bounds = Bounds(instrument);
        }
        else
        {
            var isCounter = (definition == typeof(Counter<>) || definition == typeof(ObservableCounter<>)) && !FallingCounters.Contains(instrument.Name);
            Type = isCounter ? "counter" : "gauge";
            _isSet = _isObservable || definition == typeof(Gauge<>);
        }
        var name = PrometheusNames.Clean(instrument.Name);
        Name = Type == "counter" && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
        Help = instrument.Description ?? "";
    }

    public string Name { get; }

    public string Type { get; }

    public string Help { get; }

    public void Record(long value, ReadOnlySpan<KeyValuePair<string, object?>> tags) => Find(tags).Record(value, _isSet);

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) => Find(tags).Record(value, _isSet);

    /// <summary>Forgets what observable instruments said last: a series that is not told again is gone.</summary>
    public void BeginCollect()
    {
        if (!_isObservable)
            return;
        lock (_adding)
            _table = new Table(8);
    }

    public void WriteTo(OrderedDictionary<string, double> samples)
    {
        foreach (var series in _table.All().OrderBy(series => series.Labels, StringComparer.Ordinal))
            series.WriteTo(Name, samples);
    }

    private Series Find(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var hash = Hash(tags);
        return _table.Find(hash, tags) ?? Add(hash, tags);
    }

    private Series Add(int hash, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (_adding)
        {
            var table = _table;
            if (table.Find(hash, tags) is { } existing)
                return existing;
            if (table.Count >= MaxSeries)
            {
                hash = Hash(OverflowTags);
                tags = OverflowTags;
                if (table.Find(hash, tags) is { } overflow)
                    return overflow;
            }
            var added = new Series(hash, tags.ToArray(), _bounds);
            _table = table.With(added);
            return added;
        }
    }

    private static int Hash(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var hash = tags.Length;
        foreach (var (key, value) in tags)
            hash = HashCode.Combine(hash, key, value);
        return hash;
    }

    private static double[] Bounds(Instrument instrument) => instrument switch
    {
        Histogram<double> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds],
        Histogram<long> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds.Select(bound => (double)bound)],
        Histogram<int> { Advice.HistogramBucketBoundaries: { } bounds } => [.. bounds.Select(bound => (double)bound)],
        _ => DefaultBounds,
    };

    /// <summary>Immutable open-addressing table: readers need no lock, a writer replaces it. At most half full.</summary>
    private sealed class Table(int size)
    {
        private readonly Series?[] _slots = new Series?[size];

        public int Count { get; private set; }

        public Series? Find(int hash, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            for (var i = hash & (_slots.Length - 1); _slots[i] is { } series; i = (i + 1) & (_slots.Length - 1))
            {
                if (series.Hash == hash && series.Matches(tags))
                    return series;
            }
            return null;
        }

        public Table With(Series added)
        {
            var table = new Table((Count + 1) * 2 > _slots.Length ? _slots.Length * 2 : _slots.Length);
            foreach (var series in All())
                table.Insert(series);
            table.Insert(added);
            return table;
        }

        public IEnumerable<Series> All() => _slots.OfType<Series>();

        private void Insert(Series series)
        {
            var i = series.Hash & (_slots.Length - 1);
            while (_slots[i] is not null)
                i = (i + 1) & (_slots.Length - 1);
            _slots[i] = series;
            Count++;
        }
    }
}
