using System.Diagnostics;
using System.Diagnostics.Metrics;
using PushSystem.Protocol;

namespace PushSystem.Room;

/// <summary>
/// The room's instruments, meter "PushSystem.Room". Any thread; disposed by the room. Names of tags: result, reason, stream.
/// </summary>
internal sealed class RoomMetrics : IDisposable
{
    public const string MeterName = "PushSystem.Room";

    private static readonly KeyValuePair<string, object?>[] StreamTags =
        [new("stream", "mailbox"), new("stream", "broadcast"), new("stream", "transient")];

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _pushes, _pushBytes, _acks, _resets, _windowFull, _slowCloses, _repairs, _closes, _logins, _resumes, _refused,
        _upstream, _dropped, _takeovers, _pulls, _fanoutSent, _ackBatches, _storeErrors, _poison, _rebound, _registryLost;
    private readonly Histogram<double> _ackLatency;
    private long _connections, _sessions, _detached;

    public RoomMetrics(Func<long> incarnation, Func<bool> isFenced, Func<long> rebindLeft)
    {
        _meter.CreateObservableGauge("push_room_connections", () => Volatile.Read(ref _connections), null, "Open connections");
        _meter.CreateObservableGauge("push_room_sessions", () => Volatile.Read(ref _sessions), null, "Bound sessions, detached ones included");
        _meter.CreateObservableGauge("push_room_detached", () => Volatile.Read(ref _detached), null, "Lost connections kept for RESUME");
        _pushes = _meter.CreateCounter<long>("push_room_pushes", null, "PUSH frames by stream");
        _pushBytes = _meter.CreateCounter<long>("push_room_push_bytes", "By", "Payload bytes of PUSH frames by stream");
        _acks = _meter.CreateCounter<long>("push_room_acks", null, "ACK frames that moved a position");
        _resets = _meter.CreateCounter<long>("push_room_resets", null, "RESET frames by reason");
        _windowFull = _meter.CreateCounter<long>("push_room_window_full", null, "Messages that found the window closed");
        _slowCloses = _meter.CreateCounter<long>("push_room_slow_closes", null, "Connections closed as slow consumers");
        _repairs = _meter.CreateCounter<long>("push_room_position_repairs", null, "Streams that only the position check moved on");
        _closes = _meter.CreateCounter<long>("push_room_closes", null, "Connections ended by the room, by reason");
        _logins = _meter.CreateCounter<long>("push_room_binds", null, "Bindings by result");
        _resumes = _meter.CreateCounter<long>("push_room_resumes", null, "RESUME frames by result");
        _refused = _meter.CreateCounter<long>("push_room_refused", null, "Connections and logins refused, by reason");
        _upstream = _meter.CreateCounter<long>("push_room_upstream", null, "Upstream messages by result");
        _dropped = _meter.CreateCounter<long>("push_room_dropped", null, "What a bounded queue dropped, by reason");
        _takeovers = _meter.CreateCounter<long>("push_room_replaced", null, "Sessions replaced by newer ones");
        _pulls = _meter.CreateCounter<long>("push_room_pulls", null, "Reads from the stores by stream");
        _fanoutSent = _meter.CreateCounter<long>("push_room_fanout_sessions", null, "Sessions visited by broadcasts");
        _ackBatches = _meter.CreateCounter<long>("push_room_ack_batches", null, "Calls that told acks to the store");
        _storeErrors = _meter.CreateCounter<long>("push_room_store_errors", null, "Calls that failed, by call");
        _poison = _meter.CreateCounter<long>("push_room_parked", null, "Messages set aside after too many resumes");
        _rebound = _meter.CreateCounter<long>("push_room_rebinds", null, "Sessions bound again after a loss of the incarnation or of registry data, by result");
        _registryLost = _meter.CreateCounter<long>("push_room_registry_parts_lost", null, "Parts of the registry that were seen on other data");
        _meter.CreateObservableGauge("push_room_rebind_left", rebindLeft, null, "Session slots that a re-flush under way has not looked at");
        _meter.CreateObservableGauge("push_room_incarnation", incarnation, null, "The incarnation that sessions are bound under");
        _meter.CreateObservableGauge("push_room_fenced", () => isFenced() ? 1 : 0, null, "1 while the incarnation is lost");
        _ackLatency = _meter.CreateHistogram<double>("push_room_ack_latency", "ms", "From PUSH to ACK, one sample per ACK");
    }

    /// <summary>For listeners that want this room's instruments only.</summary>
    public Meter Meter => _meter;
    public long Connections => Volatile.Read(ref _connections);
    public long Sessions => Volatile.Read(ref _sessions);
    public long Detached => Volatile.Read(ref _detached);

    public long AddConnection(int change) => Interlocked.Add(ref _connections, change);
    public void AddSession(int change) => Interlocked.Add(ref _sessions, change);
    public void AddDetached(int change) => Interlocked.Add(ref _detached, change);

    public void Pushed(StreamKind stream, bool transient, int bytes)
    {
        ref var tag = ref StreamTags[transient ? 2 : (int)stream];
        _pushes.Add(1, tag);
        _pushBytes.Add(bytes, tag);
    }

    public void Acked() => _acks.Add(1);
    public void AckLatency(long milliseconds) => _ackLatency.Record(milliseconds);
    public void Reset(ResetReason reason) => _resets.Add(1, new KeyValuePair<string, object?>("reason", reason));
    public void WindowFull() => _windowFull.Add(1);
    public void SlowClose() => _slowCloses.Add(1);
    public void Repair() => _repairs.Add(1);
    public void Closed(ReasonCode reason) => _closes.Add(1, new KeyValuePair<string, object?>("reason", reason));
    public void Bound(ReasonCode result) => _logins.Add(1, new KeyValuePair<string, object?>("result", result));
    public void Resumed(ReasonCode result) => _resumes.Add(1, new KeyValuePair<string, object?>("result", result));
    public void Refused(ReasonCode reason) => _refused.Add(1, new KeyValuePair<string, object?>("reason", reason));
    public void Upstream(ReasonCode result) => _upstream.Add(1, new KeyValuePair<string, object?>("result", result));
    public void Dropped(string reason) => _dropped.Add(1, new KeyValuePair<string, object?>("reason", reason));
    public void Replaced() => _takeovers.Add(1);
    public void Pull(StreamKind stream) => _pulls.Add(1, StreamTags[(int)stream]);
    public void FanoutVisited(int sessions) => _fanoutSent.Add(sessions);
    public void AckBatch() => _ackBatches.Add(1);
    public void StoreError(string call) => _storeErrors.Add(1, new KeyValuePair<string, object?>("call", call));
    public void RegistryLost(int parts) => _registryLost.Add(parts);

    public void Rebound(int bound, int replaced, int gone)
    {
        Count("bound", bound);
        Count("replaced", replaced);
        Count("gone", gone);

        void Count(string result, int count)
        {
            if (count > 0)
                _rebound.Add(count, new KeyValuePair<string, object?>("result", result));
        }
    }

    public void Parked() => _poison.Add(1);

    public void Dispose() => _meter.Dispose();
}
