using System.Diagnostics.Metrics;

namespace PushSystem.Coordinator;

/// <summary>Instruments of the coordinator. Thread-safe; disposed by the coordinator.</summary>
internal sealed class CoordinatorMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Coordinator");
    private long _inFlight, _indexed, _pausedEndpoints;

    public CoordinatorMetrics()
    {
        Upstream = _meter.CreateCounter<long>("push_coordinator_upstream", description: "Upstream messages by result");
        Deliveries = _meter.CreateCounter<long>("push_coordinator_deliveries", description: "Webhook requests by result");
        DeliveryDuration = _meter.CreateHistogram<double>("push_coordinator_delivery_seconds", "s", "Duration of webhook requests");
        GivenUp = _meter.CreateCounter<long>("push_coordinator_events_given_up", description: "Events older than the limit");
        Presence = _meter.CreateCounter<long>("push_coordinator_presence", description: "Presence changes by result");
        Kicks = _meter.CreateCounter<long>("push_coordinator_kicks", description: "Kicks by result");
        _meter.CreateObservableGauge("push_coordinator_in_flight", () => Interlocked.Read(ref _inFlight), description: "Webhook requests in flight");
        _meter.CreateObservableGauge("push_coordinator_events_known", () => Interlocked.Read(ref _indexed), description: "Waiting events known in memory");
        _meter.CreateObservableGauge("push_coordinator_endpoints_paused", () => Interlocked.Read(ref _pausedEndpoints), description: "URLs paused as a whole");
    }

    public Counter<long> Upstream { get; }
    public Counter<long> Deliveries { get; }
    public Histogram<double> DeliveryDuration { get; }
    public Counter<long> GivenUp { get; }
    public Counter<long> Presence { get; }
    public Counter<long> Kicks { get; }

    /// <summary>Called once.</summary>
    public void WatchOwned(Func<int> count) =>
        _meter.CreateObservableGauge("push_coordinator_apps_owned", count, description: "Apps whose events and presence are this process's task");

    public void InFlight(int change) => Interlocked.Add(ref _inFlight, change);

    public void Indexed(int change) => Interlocked.Add(ref _indexed, change);

    public void PausedEndpoints(int change) => Interlocked.Add(ref _pausedEndpoints, change);

    public void Dispose() => _meter.Dispose();
}
