using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace PushSystem.Register.Tests.Support;

/// <summary>Sums the counters of the register's meters while it lives; of all registries in the process, so only growth can be asserted.</summary>
internal sealed class Measurements : IDisposable
{
    private readonly ConcurrentDictionary<string, long> _sums = new();
    private readonly MeterListener _listener = new();

    public Measurements()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "PushSystem.Register")
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((instrument, value, _, _) => _sums.AddOrUpdate(instrument.Name, value, (_, sum) => sum + value));
        _listener.Start();
    }

    public long this[string instrument] => _sums.GetValueOrDefault(instrument);

    public void Dispose() => _listener.Dispose();
}
