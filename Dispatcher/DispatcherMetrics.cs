using System.Diagnostics.Metrics;

namespace PushSystem.Dispatcher;

/// <summary>What became of a question.</summary>
internal enum RouteResult
{
    Routed,
    NoRoom,
    Limited,
    Refused,
}

/// <summary>
/// Metrics of the dispatcher. Requests are counted here and read when somebody asks: cheaper than telling a listener each time.
/// Owns the meter; any thread records; the container disposes it.
/// </summary>
internal sealed class DispatcherMetrics : IDisposable
{
    private static readonly string[] Results = ["routed", "no_room", "limited", "refused"];

    private readonly Meter _meter = new("PushSystem.Dispatcher");
    private readonly long[] _requests = new long[Results.Length];
    private long _failedAddresses;

    public DispatcherMetrics()
    {
        _meter.CreateObservableCounter(
            "push_dispatcher_requests",
            () => Results.Select((result, i) => new Measurement<long>(Volatile.Read(ref _requests[i]), new KeyValuePair<string, object?>("result", result))),
            null, "Questions for addresses by result");
        _meter.CreateObservableCounter(
            "push_dispatcher_failed_addresses", () => Volatile.Read(ref _failedAddresses), null, "Addresses that clients said did not work");
    }

    public void Request(RouteResult result) => Interlocked.Increment(ref _requests[(int)result]);

    public void FailedAddresses(int count) => Interlocked.Add(ref _failedAddresses, count);

    public void WatchRooms(Func<long> rooms) =>
        _meter.CreateObservableUpDownCounter("push_dispatcher_rooms", rooms, null, "Rooms that can take clients");

    public void WatchClients(Func<long> clients) =>
        _meter.CreateObservableUpDownCounter("push_dispatcher_clients", clients, null, "Client addresses that are told apart now");

    public void Dispose() => _meter.Dispose();
}
