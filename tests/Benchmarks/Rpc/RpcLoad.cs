using System.Diagnostics;
using System.Globalization;
using System.Numerics;

namespace PushSystem.Benchmarks.Rpc;

/// <summary>
/// One measured run: a number of callers, each with one call at a time, for some seconds. It owns the callers' histograms; it is read when
/// all callers have ended.
/// </summary>
internal sealed class RpcLoad
{
    private readonly List<LatencyHistogram> _histograms = [];
    private volatile bool _over;
    private double _seconds;
    private long _allocated;
    private double _processorSeconds;

    /// <summary>True when callers are to end.</summary>
    public bool IsOver => _over;

    /// <summary>A histogram for one caller.</summary>
    public LatencyHistogram Histogram()
    {
        var histogram = new LatencyHistogram();
        lock (_histograms)
            _histograms.Add(histogram);
        return histogram;
    }

    public static async Task<RpcLoad> RunAsync(int callers, double seconds, Func<RpcLoad, Task> caller)
    {
        var load = new RpcLoad();
        var process = Process.GetCurrentProcess();
        var processorBefore = process.TotalProcessorTime;
        var running = Enumerable.Range(0, callers).Select(_ => Task.Run(() => caller(load))).ToArray();
        var allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
        var started = Stopwatch.GetTimestamp();
        await Task.Delay(TimeSpan.FromSeconds(seconds));
        load._over = true;
        await Task.WhenAll(running);
        load._seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        load._allocated = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
        process.Refresh();
        load._processorSeconds = (process.TotalProcessorTime - processorBefore).TotalSeconds;
        return load;
    }

    /// <summary>The run as a row of a Markdown table that begins with <paramref name="head"/>.</summary>
    public string Row(string head)
    {
        var all = new LatencyHistogram();
        foreach (var histogram in _histograms)
            all.Add(histogram);
        return string.Create(CultureInfo.InvariantCulture,
            $"{head}| {all.Count / _seconds:N0} | {all.Microseconds(0.5):0.0} | {all.Microseconds(0.99):0.0} | {(double)_allocated / all.Count:0.0} | {_processorSeconds * 1e6 / all.Count:0.00} |");
    }
}

/// <summary>Latencies in buckets of 3 % width. Not thread-safe: one per caller.</summary>
internal sealed class LatencyHistogram
{
    private const int SubBits = 5, Sub = 1 << SubBits;

    private readonly int[] _buckets = new int[64 * Sub];

    public long Count { get; private set; }

    public void Add(long stopwatchTicks)
    {
        Count++;
        _buckets[Index(Math.Max(1, stopwatchTicks))]++;
    }

    public void Add(LatencyHistogram other)
    {
        Count += other.Count;
        for (var i = 0; i < _buckets.Length; i++)
            _buckets[i] += other._buckets[i];
    }

    /// <summary>Upper bound of the bucket that holds the quantile, in microseconds.</summary>
    public double Microseconds(double quantile)
    {
        var wanted = (long)Math.Ceiling(Count * quantile);
        var index = 0;
        for (long seen = 0; index < _buckets.Length - 1; index++)
        {
            seen += _buckets[index];
            if (seen >= wanted)
                break;
        }
        return Upper(index) * 1e6 / Stopwatch.Frequency;
    }

    private static int Index(long value)
    {
        var power = Math.Max(0, BitOperations.Log2((ulong)value) - SubBits);
        return (power << SubBits) + (int)(value >> power);
    }

    private static double Upper(int index)
    {
        var power = Math.Max(0, (index >> SubBits) - 1);
        return (double)((long)(index - (power << SubBits)) + 1) * (1L << power);
    }
}
