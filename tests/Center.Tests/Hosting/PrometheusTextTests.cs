using System.Diagnostics.Metrics;
using PushSystem.Hosting.Metrics;
using Xunit;

namespace PushSystem.Center.Tests.Hosting;

[Collection(nameof(MetricTests))]
public sealed class PrometheusTextTests : IDisposable
{
    private readonly PrometheusText _text = new();
    private readonly Meter _meter = new("PushSystem.Test");

    public void Dispose()
    {
        _meter.Dispose();
        _text.Dispose();
    }

    [Fact]
    public void A_counter_counts_per_set_of_labels()
    {
        var counter = _meter.CreateCounter<long>("push_test_things", null, "Things.\nMany \\ things");
        counter.Add(2);
        counter.Add(3, new KeyValuePair<string, object?>("kind", "a"));
        counter.Add(4, new("kind", "a"), new("n", 7));
        counter.Add(5, new KeyValuePair<string, object?>("kind", "a"));
        Assert.Equal(
            """
            # HELP push_test_things_total Things.\nMany \\ things
            # TYPE push_test_things_total counter
            push_test_things_total 2
            push_test_things_total{kind="a",n="7"} 4
            push_test_things_total{kind="a"} 8
            """, Family("push_test_things_total"));
    }

    [Fact]
    public void A_name_that_says_total_already_does_not_say_it_twice()
    {
        _meter.CreateCounter<int>("push.test-already_total").Add(1);
        Assert.Equal("# TYPE push_test_already_total counter\npush_test_already_total 1", Family("push_test_already_total"));
    }

    [Fact]
    public void Labels_are_escaped()
    {
        _meter.CreateCounter<long>("push_test_labels").Add(1, new("a.b", "x\"y\\z\nä"), new("empty", null), new("flag", true), new("real", 1.5));
        Assert.Contains("push_test_labels_total{a_b=\"x\\\"y\\\\z\\nä\",empty=\"\",flag=\"true\",real=\"1.5\"} 1\n", _text.Collect(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_up_down_counter_goes_down_and_a_gauge_keeps_the_last_value()
    {
        var upDown = _meter.CreateUpDownCounter<int>("push_test_level");
        upDown.Add(5);
        upDown.Add(-7);
        var gauge = _meter.CreateGauge<double>("push_test_gauge");
        gauge.Record(2.5);
        gauge.Record(1.25);
        Assert.Equal("# TYPE push_test_level gauge\npush_test_level -2", Family("push_test_level"));
        Assert.Equal("# TYPE push_test_gauge gauge\npush_test_gauge 1.25", Family("push_test_gauge"));
    }

    [Fact]
    public void A_histogram_has_cumulative_buckets_a_sum_and_a_count()
    {
        var histogram = _meter.CreateHistogram<double>("push_test_seconds", "s", "Time", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 1, 10] });
        foreach (var value in (double[])[0.05, 0.1, 0.5, 10.5, 1])
            histogram.Record(value, new KeyValuePair<string, object?>("route", "r"));
        Assert.Equal(
            """
            # HELP push_test_seconds Time
            # TYPE push_test_seconds histogram
            push_test_seconds_bucket{route="r",le="0.1"} 2
            push_test_seconds_bucket{route="r",le="1"} 4
            push_test_seconds_bucket{route="r",le="10"} 4
            push_test_seconds_bucket{route="r",le="+Inf"} 5
            push_test_seconds_sum{route="r"} 12.15
            push_test_seconds_count{route="r"} 5
            """, Family("push_test_seconds"));
    }

    [Fact]
    public void A_histogram_of_whole_numbers_without_labels_has_the_default_buckets()
    {
        _meter.CreateHistogram<long>("push_test_sizes").Record(3);
        var text = _text.Collect();
        Assert.Contains("push_test_sizes_bucket{le=\"2.5\"} 0\npush_test_sizes_bucket{le=\"5\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("push_test_sizes_sum 3\npush_test_sizes_count 1\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Observed_values_are_those_of_now()
    {
        var states = new Dictionary<string, long> { ["a"] = 1, ["b"] = 2 };
        _meter.CreateObservableUpDownCounter("push_test_states", () => states.Select(state => new Measurement<long>(state.Value, new KeyValuePair<string, object?>("state", state.Key))));
        _meter.CreateObservableCounter("push_test_seen", () => 7L);
        _meter.CreateObservableGauge("push_test_now", () => 1.5f);
        Assert.Equal("# TYPE push_test_states gauge\npush_test_states{state=\"a\"} 1\npush_test_states{state=\"b\"} 2", Family("push_test_states"));
        states.Remove("a");
        states["b"] = 5;
        Assert.Equal("# TYPE push_test_states gauge\npush_test_states{state=\"b\"} 5", Family("push_test_states"));
        Assert.Equal("# TYPE push_test_seen_total counter\npush_test_seen_total 7", Family("push_test_seen_total"));
        Assert.Equal("# TYPE push_test_now gauge\npush_test_now 1.5", Family("push_test_now"));
    }

    [Fact]
    public void Instruments_of_one_name_are_one_family_and_those_of_a_disposed_meter_are_gone()
    {
        using (var second = new Meter("PushSystem.Test"))
        {
            _meter.CreateCounter<long>("push_test_twice").Add(1, new KeyValuePair<string, object?>("x", "y"));
            second.CreateCounter<long>("push_test_twice").Add(2, new KeyValuePair<string, object?>("x", "y"));
            Assert.Equal("# TYPE push_test_twice_total counter\npush_test_twice_total{x=\"y\"} 3", Family("push_test_twice_total"));
        }
        Assert.Equal("# TYPE push_test_twice_total counter\npush_test_twice_total{x=\"y\"} 1", Family("push_test_twice_total"));
    }

    [Fact]
    public void Series_beyond_the_bound_are_counted_together()
    {
        var counter = _meter.CreateCounter<long>("push_test_many");
        for (var i = 0; i < 2_500; i++)
            counter.Add(1, new KeyValuePair<string, object?>("user", $"u{i}"));
        var lines = Family("push_test_many_total").Split('\n');
        Assert.Equal(1 + 2_001, lines.Length);
        Assert.Contains("push_test_many_total{overflow=\"true\"} 500", lines);
    }

    [Fact]
    public void Other_meters_are_left_out_and_the_runtimes_memory_is_in()
    {
        using var other = new Meter("Other");
        other.CreateCounter<long>("other_things").Add(1);
        var text = _text.Collect();
        Assert.DoesNotContain("other_things", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE dotnet_gc_collections_total counter\n", text, StringComparison.Ordinal);
        Assert.Contains("\ndotnet_gc_last_collection_heap_size", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE dotnet_thread_pool_thread_count gauge\n", text, StringComparison.Ordinal);
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nothing_is_lost_when_many_threads_count()
    {
        var counter = _meter.CreateCounter<long>("push_test_threads");
        var histogram = _meter.CreateHistogram<double>("push_test_thread_seconds");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                counter.Add(1, new KeyValuePair<string, object?>("n", i % 100));
                histogram.Record(1);
            }
        })));
        var text = _text.Collect();
        for (var i = 0; i < 100; i++)
            Assert.Contains($"push_test_threads_total{{n=\"{i}\"}} 800\n", text, StringComparison.Ordinal);
        Assert.Contains("push_test_thread_seconds_sum 80000\npush_test_thread_seconds_count 80000\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(double.PositiveInfinity, "+Inf")]
    [InlineData(double.NegativeInfinity, "-Inf")]
    [InlineData(double.NaN, "NaN")]
    [InlineData(1e21, "1E+21")]
    [InlineData(0.1, "0.1")]
    public void Numbers_are_written_as_the_format_wants(double number, string text) => Assert.Equal(text, PrometheusNames.Number(number));

    /// <summary>The lines of one family, sorted except for the head.</summary>
    private string Family(string name)
    {
        var lines = _text.Collect().Split('\n').Where(line =>
            line.StartsWith($"# HELP {name} ", StringComparison.Ordinal) || line.StartsWith($"# TYPE {name} ", StringComparison.Ordinal)
            || (line.StartsWith(name, StringComparison.Ordinal) && line[name.Length] is ' ' or '{' or '_')).ToArray();
        var isHistogram = lines.Any(line => line.EndsWith(" histogram", StringComparison.Ordinal));
        return string.Join('\n', isHistogram ? lines : [.. lines.Order(StringComparer.Ordinal)]);
    }
}
