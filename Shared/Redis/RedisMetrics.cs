using System.Diagnostics.Metrics;

namespace PushSystem.Redis;

/// <summary>The link's instruments, meter "PushSystem.Redis", tagged with the link's name. Thread-safe. Owned and disposed by the link.</summary>
internal sealed class RedisMetrics : IDisposable
{
    private readonly Meter _meter;
    private readonly Counter<long> _calls;
    private readonly Histogram<double> _duration;
    private readonly Counter<long> _reconnects;
    private readonly Counter<long> _loads;

    public RedisMetrics(string link, Func<long> calls, Func<long> bytes)
    {
        _meter = new Meter("PushSystem.Redis", null, [new KeyValuePair<string, object?>("link", link)]);
        _calls = _meter.CreateCounter<long>("push_redis_calls", null, "Scripts and commands, by name and outcome");
        _duration = _meter.CreateHistogram<double>("push_redis_call_duration", "s", "From sending to the reply, by name");
        _reconnects = _meter.CreateCounter<long>("push_redis_reconnects", null, "Connections restored or replaced, by cause");
        _loads = _meter.CreateCounter<long>("push_redis_script_loads", null, "Scripts sent whole because redis did not know them");
        _meter.CreateObservableGauge("push_redis_in_flight", calls, null, "Calls under way");
        _meter.CreateObservableGauge("push_redis_in_flight_bytes", bytes, "By", "Bytes of arguments of calls under way");
    }

    public void Called(string name, string outcome) =>
        _calls.Add(1, new KeyValuePair<string, object?>("script", name), new KeyValuePair<string, object?>("outcome", outcome));

    public void Answered(string name, TimeSpan duration)
    {
        Called(name, "ok");
        _duration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("script", name));
    }

    public void Reconnected(string cause) => _reconnects.Add(1, new KeyValuePair<string, object?>("cause", cause));

    public void Loaded(string name) => _loads.Add(1, new KeyValuePair<string, object?>("script", name));

    public void Dispose() => _meter.Dispose();
}
