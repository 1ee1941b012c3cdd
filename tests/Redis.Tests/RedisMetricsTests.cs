using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using PushSystem.Redis.Tests.Support;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Redis.Tests;

/// <summary>What the link tells of itself.</summary>
public sealed class RedisMetricsTests
{
    [Fact]
    public async Task Calls_are_counted_by_script_and_outcome_and_reconnects_by_cause()
    {
        var counts = new ConcurrentDictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == "PushSystem.Redis" && instrument.Meter.Tags!.Any(tag => tag is { Key: "link", Value: "metrics" }))
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        void Count(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            counts.AddOrUpdate(string.Join(' ', [instrument.Name, .. tags.ToArray().Select(tag => tag.Value)]), value, (_, sum) => sum + value);
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Count(instrument, value, tags));
        listener.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Count(instrument, 1, tags));
        listener.Start();
        await using var redis = await RedisServer.StartAsync();
        await using var link = await RedisLink.OpenAsync(
            new RedisOptions { EndPoints = redis.EndPoint }, "metrics", TimeProvider.System,
            Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        await link.RunAsync(Links.Set, "key", "x");
        await link.RunAsync(Links.Get, "key");
        await link.RunAsync(Links.Get, "key");
        listener.RecordObservableInstruments();

        Assert.Equal(1, counts["push_redis_calls test.set.1 ok"]);
        Assert.Equal(2, counts["push_redis_calls test.get.1 ok"]);
        Assert.Equal(2, counts["push_redis_call_duration test.get.1"]);
        Assert.Equal(1, counts["push_redis_script_loads test.get.1"]);
        Assert.Equal(0, counts["push_redis_in_flight"]);
        Assert.Equal(0, counts["push_redis_in_flight_bytes"]);
        await redis.Kill();
        await Waiting.Until(() => link.Failure is not null || Fails(link), "redis is away");
        Assert.True(counts.GetValueOrDefault("push_redis_calls test.get.1 away") > 0
            || counts.GetValueOrDefault("push_redis_calls test.get.1 unavailable") > 0);
        await redis.RestartAsync();
        await link.WhenBackAsync(Links.Get, "key");
        await Waiting.Until(() => counts.GetValueOrDefault("push_redis_reconnects lost") > 0, "the return is counted");
    }

    private static bool Fails(RedisLink link)
    {
        _ = link.RunAsync(Links.Get, "key").ContinueWith(static ended => _ = ended.Exception, TaskScheduler.Default);
        return false;
    }
}
