using System.Diagnostics.Metrics;

namespace PushSystem.Register;

/// <summary>The registry's instruments, meter "PushSystem.Register". Thread-safe. Owned and disposed by the registry.</summary>
internal sealed class RegisterMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Register");

    public RegisterMetrics(Func<long> entries)
    {
        Binds = _meter.CreateCounter<long>("push_register_binds", null, "Sessions put in");
        Takeovers = _meter.CreateCounter<long>("push_register_takeovers", null, "Sessions that replaced another");
        Refused = _meter.CreateCounter<long>("push_register_refused", null, "Sessions refused because a newer one is there");
        Unbinds = _meter.CreateCounter<long>("push_register_unbinds", null, "Sessions removed by their room");
        LateUnbinds = _meter.CreateCounter<long>("push_register_late_unbinds", null, "Removals of sessions that are there no longer");
        Swept = _meter.CreateCounter<long>("push_register_swept", null, "Entries of dead rooms removed");
        _meter.CreateObservableGauge("push_register_entries", entries, null, "Entries, those of dead rooms included");
    }

    public Counter<long> Binds { get; }
    public Counter<long> Takeovers { get; }
    public Counter<long> Refused { get; }
    public Counter<long> Unbinds { get; }
    public Counter<long> LateUnbinds { get; }
    public Counter<long> Swept { get; }

    public void Dispose() => _meter.Dispose();
}
