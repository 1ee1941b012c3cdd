using System.Diagnostics.Metrics;

namespace PushSystem.Dispatcher;

/// <summary>
/// Metrics of the dispatcher.
/// Owns the meter; any thread records; the container disposes it.
/// </summary>
internal sealed class DispatcherMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Dispatcher");
    private readonly Counter<long> _requests;
    private readonly Counter<long> _failedAddresses;

    public DispatcherMetrics()
    {
        _requests = _meter.CreateCounter<long>("push_dispatcher_requests", null, "Questions for addresses by result");
        _failedAddresses = _meter.CreateCounter<long>("push_dispatcher_failed_addresses", null, "Addresses that clients said did not work");
    }

    /// <summary>Result: routed, no_room, limited or refused.</summary>
    public void Request(string result) => _requests.Add(1, new KeyValuePair<string, object?>("result", result));

    public void FailedAddresses(int count) => _failedAddresses.Add(count);

    public void WatchRooms(Func<long> rooms) =>
        _meter.CreateObservableUpDownCounter("push_dispatcher_rooms", rooms, null, "Rooms that can take clients");

    public void WatchClients(Func<long> clients) =>
        _meter.CreateObservableUpDownCounter("push_dispatcher_clients", clients, null, "Client addresses that are told apart now");

    public void Dispose() => _meter.Dispose();
}
