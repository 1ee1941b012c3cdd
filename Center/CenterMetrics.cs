using System.Diagnostics.Metrics;
using System.Globalization;
using PushSystem.Contracts;

namespace PushSystem.Center;

/// <summary>
/// Metrics of the center.
/// Owns the meter; any thread records; the container disposes it.
/// </summary>
internal sealed class CenterMetrics : IDisposable
{
    private static readonly string[] Statuses = [.. Enumerable.Range(0, 600).Select(status => status.ToString(CultureInfo.InvariantCulture))];
    private static readonly string[] Levels = ["transient", "stored", "durable"];

    private readonly Meter _meter = new("PushSystem.Center");
    private readonly Counter<long> _requests;
    private readonly Histogram<double> _requestSeconds;
    private readonly Counter<long> _accepted;
    private readonly Histogram<double> _appendSeconds;
    private readonly Counter<long> _hints;
    private readonly Counter<long> _transient;
    private readonly Counter<long> _stale;
    private readonly Counter<long> _replays;

    public CenterMetrics()
    {
        _requests = _meter.CreateCounter<long>("push_center_requests", null, "API requests by route and status");
        _requestSeconds = _meter.CreateHistogram<double>("push_center_request_seconds", "s", "Time from a request's head to its answer");
        _accepted = _meter.CreateCounter<long>("push_center_accepted_messages", null, "Messages accepted by level; broadcasts not included");
        _appendSeconds = _meter.CreateHistogram<double>("push_center_append_seconds", "s", "Time the mailboxes took to reach the level asked for");
        _hints = _meter.CreateCounter<long>("push_center_delivery_hints", null, "Stored messages handed on after they were accepted, by outcome");
        _transient = _meter.CreateCounter<long>("push_center_transient_messages", null, "Transient messages by whether a room took them");
        _stale = _meter.CreateCounter<long>("push_center_stale_sessions", null, "Registry entries that a room did not know and that were taken back");
        _replays = _meter.CreateCounter<long>("push_center_idempotent_replays", null, "Requests answered with the kept answer of an earlier one");
    }

    public void Request(string route, int status, TimeSpan elapsed)
    {
        _requests.Add(1, new("route", route), new("status", (uint)status < 600 ? Statuses[status] : "0"));
        _requestSeconds.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>("route", route));
    }

    public void Accepted(Durability level, int count, TimeSpan elapsed)
    {
        var tag = new KeyValuePair<string, object?>("level", Levels[(int)level]);
        _accepted.Add(count, tag);
        _appendSeconds.Record(elapsed.TotalSeconds, tag);
    }

    /// <summary>Outcome: taken, offline, not_here, room_gone, room_unknown, room_left_alone, failed, queue_full or room_queue_full.</summary>
    public void Hints(string outcome, int count = 1) => _hints.Add(count, new KeyValuePair<string, object?>("outcome", outcome));

    public void Transient(bool delivered, int count = 1) =>
        _transient.Add(count, new KeyValuePair<string, object?>("delivered", delivered ? "true" : "false"));

    public void Stale(int count) => _stale.Add(count);

    public void Replayed() => _replays.Add(1);

    public void WatchQueue(Func<long> bytes) =>
        _meter.CreateObservableUpDownCounter("push_center_delivery_queue_bytes", bytes, "By", "Stored messages that wait to be handed on");

    public void WatchTasks(Func<IEnumerable<Measurement<long>>> tasks) =>
        _meter.CreateObservableUpDownCounter("push_center_tasks", tasks, null, "Broadcasts that are not finished, by state");

    public void WatchMulticasts(Func<int> parts) =>
        _meter.CreateObservableUpDownCounter("push_center_multicast_parts", parts, null, "Parts of multicasts that this process holds");

    public void Dispose() => _meter.Dispose();
}
