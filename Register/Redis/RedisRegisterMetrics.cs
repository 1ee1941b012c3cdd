using System.Diagnostics.Metrics;

namespace PushSystem.Register.Redis;

/// <summary>
/// Instruments of the registry in redis beside those of <see cref="RegisterMetrics"/>, meter "PushSystem.Register". Thread-safe. Owned
/// and disposed by <see cref="RedisContext"/>.
/// </summary>
internal sealed class RedisRegisterMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Register");
    private readonly Histogram<int> _batches;

    public RedisRegisterMetrics(Func<long> waiting)
    {
        Garbage = _meter.CreateCounter<long>("push_register_garbage", null, "Values in redis that are no entries, taken for absent");
        Epochs = _meter.CreateCounter<long>("push_register_epochs", null, "Parts whose data is not what it was, so that rooms bind again");
        Late = _meter.CreateCounter<long>("push_register_late_scripts", null, "Scripts that redis came to after their deadline");
        Overflow = _meter.CreateCounter<long>("push_register_overflow", null, "Requested items refused because too many wait");
        Postponed = _meter.CreateCounter<long>(
            "push_register_removals_postponed", null, "Dead entries found by lookups and left to the sweep because too many were found");
        _batches = _meter.CreateHistogram<int>("push_register_batch", null, "Items of one script, by script");
        _meter.CreateObservableGauge("push_register_waiting", waiting, null, "Requested items that wait for redis or are under way");
    }

    public Counter<long> Garbage { get; }
    public Counter<long> Epochs { get; }
    public Counter<long> Late { get; }
    public Counter<long> Overflow { get; }
    public Counter<long> Postponed { get; }

    public void Batch(string script, int items) => _batches.Record(items, new KeyValuePair<string, object?>("script", script));

    public void Dispose() => _meter.Dispose();
}
