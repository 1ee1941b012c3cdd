using PushSystem.Loadtest.Reports;
using Xunit;

namespace PushSystem.Loadtest.Tests;

public sealed class LatencyHistogramTests
{
    public static TheoryData<int> Seeds => [1, 2, 3];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Percentiles_are_within_one_percent_of_the_sorted_values(int seed)
    {
        var random = new Random(seed);
        var histogram = new LatencyHistogram();
        // Log-uniform from 1 µs to some hours: every scale is met.
        var values = Enumerable.Range(0, 50_000).Select(_ => (long)Math.Exp(random.NextDouble() * 23)).ToArray();
        foreach (var value in values)
            histogram.Record(value);
        Array.Sort(values);
        foreach (var percentile in (double[])[1, 10, 50, 90, 99, 99.9, 100])
        {
            var exact = values[Math.Max(0, (int)Math.Ceiling(values.Length * percentile / 100) - 1)];
            Assert.InRange(histogram.Percentile(percentile), exact, exact * 1.008 + 1);
        }
        Assert.Equal(values[0], histogram.Min);
        Assert.Equal(values[^1], histogram.Max);
        Assert.Equal(values.Average(), histogram.Mean, 3);
        Assert.Equal(values.Length, histogram.Count);
    }

    [Fact]
    public void Small_values_are_exact()
    {
        var histogram = new LatencyHistogram();
        for (var i = 0; i < 256; i++)
            histogram.Record(i);
        for (var i = 1; i <= 256; i++)
            Assert.Equal(i - 1, histogram.Percentile(i * 100.0 / 256));
    }

    [Fact]
    public void Every_power_of_two_and_its_neighbours_stay_in_their_step()
    {
        for (var bit = 0; bit < 40; bit++)
        {
            foreach (var value in (long[])[(1L << bit) - 1, 1L << bit, (1L << bit) + 1])
            {
                var histogram = new LatencyHistogram();
                histogram.Record(value);
                histogram.Record(LatencyHistogram.MaxValue);
                Assert.InRange(histogram.Percentile(50), value, (value * 1.008) + 1);
            }
        }
    }

    [Fact]
    public void Values_out_of_range_are_clamped()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(-5);
        histogram.Record(long.MaxValue);
        Assert.Equal(0, histogram.Percentile(50));
        Assert.Equal(LatencyHistogram.MaxValue, histogram.Max);
    }

    [Fact]
    public void An_empty_histogram_is_all_zeros()
    {
        var histogram = new LatencyHistogram();
        Assert.Equal((0, 0, 0, 0.0), (histogram.Percentile(99), histogram.Min, histogram.Max, histogram.Mean));
    }

    [Fact]
    public void Adding_gives_the_same_as_recording_together()
    {
        var random = new Random(7);
        var (left, right, both) = (new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram());
        for (var i = 0; i < 10_000; i++)
        {
            var value = random.NextInt64(1_000_000);
            (i % 3 == 0 ? left : right).Record(value);
            both.Record(value);
        }
        left.Add(right);
        foreach (var percentile in (double[])[0, 25, 50, 99, 100])
            Assert.Equal(both.Percentile(percentile), left.Percentile(percentile));
        Assert.Equal((both.Count, both.Min, both.Max, both.Mean), (left.Count, left.Min, left.Max, left.Mean));
    }
}
