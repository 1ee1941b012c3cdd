namespace PushSystem.Hosting.Metrics;

/// <summary>One series: a number, or a histogram's buckets. Any thread may record.</summary>
internal sealed class Series(int hash, KeyValuePair<string, object?>[] tags, double[]? bounds)
{
    private readonly long[]? _buckets = bounds is null ? null : new long[bounds.Length + 1];
    private long _integer;
    private double _real;

    public int Hash { get; } = hash;

    /// <summary>The labels as written, without braces.</summary>
    public string Labels { get; } = PrometheusNames.Labels(tags);

    public bool Matches(ReadOnlySpan<KeyValuePair<string, object?>> other)
    {
        if (other.Length != tags.Length)
            return false;
        for (var i = 0; i < tags.Length; i++)
        {
            if (tags[i].Key != other[i].Key || !Equals(tags[i].Value, other[i].Value))
                return false;
        }
        return true;
    }

    public void Record(long value, bool set)
    {
        if (_buckets is not null || set)
            Record((double)value, set);
        else
            Interlocked.Add(ref _integer, value);
    }

    public void Record(double value, bool set)
    {
        if (_buckets is not null)
        {
            var bucket = Array.BinarySearch(bounds!, value);
            Interlocked.Increment(ref _buckets[bucket < 0 ? ~bucket : bucket]);
            Add(value);
        }
        else if (set)
        {
            // Two observations with equal tags in one collection (several callbacks) would be a defect of the instrument: the last one stays.
            Volatile.Write(ref _real, value);
        }
        else
        {
            Add(value);
        }
    }

    public void WriteTo(string name, OrderedDictionary<string, double> samples)
    {
        if (_buckets is null)
        {
            Put(samples, Labels.Length == 0 ? name : $"{name}{{{Labels}}}", Interlocked.Read(ref _integer) + Volatile.Read(ref _real));
            return;
        }
        var prefix = Labels.Length == 0 ? "" : Labels + ",";
        long count = 0;
        for (var i = 0; i < _buckets.Length; i++)
        {
            count += Volatile.Read(ref _buckets[i]);
            var bound = i < bounds!.Length ? bounds[i] : double.PositiveInfinity;
            Put(samples, $"{name}_bucket{{{prefix}le=\"{PrometheusNames.Number(bound)}\"}}", count);
        }
        var suffix = Labels.Length == 0 ? "" : $"{{{Labels}}}";
        Put(samples, $"{name}_sum{suffix}", Volatile.Read(ref _real));
        Put(samples, $"{name}_count{suffix}", count);
    }

    private static void Put(OrderedDictionary<string, double> samples, string sample, double value) =>
        samples[sample] = samples.TryGetValue(sample, out var before) ? before + value : value;

    private void Add(double value)
    {
        var before = Volatile.Read(ref _real);
        while (true)
        {
            var seen = Interlocked.CompareExchange(ref _real, before + value, before);
            if (seen.Equals(before))
                return;
            before = seen;
        }
    }
}
