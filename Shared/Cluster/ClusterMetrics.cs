using System.Diagnostics.Metrics;

namespace PushSystem.Cluster;

/// <summary>
/// Instruments about etcd, meter "PushSystem.Cluster". Names of tags: operation, outcome, reason. Owned and disposed by EtcdClient; any thread.
/// </summary>
internal sealed class ClusterMetrics : IDisposable
{
    public const string MeterName = "PushSystem.Cluster";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _calls, _switches, _authentications, _restarts, _lists, _stale, _losses;
    private readonly Histogram<double> _margin;
    private long _revision;

    public ClusterMetrics()
    {
        _calls = _meter.CreateCounter<long>("push_cluster_etcd_calls", null, "Calls to etcd by operation and outcome (ok, refused, failed, too_large)");
        _switches = _meter.CreateCounter<long>("push_cluster_etcd_endpoint_switches", null, "Changes of the etcd endpoint in use");
        _authentications = _meter.CreateCounter<long>("push_cluster_etcd_authentications", null, "Tokens asked for, by outcome");
        _restarts = _meter.CreateCounter<long>("push_cluster_watch_restarts", null, "Watches that ended and began again, by reason");
        _lists = _meter.CreateCounter<long>("push_cluster_watch_lists", null, "Full lists of a mirrored prefix, by reason");
        _stale = _meter.CreateCounter<long>("push_cluster_watch_stale", null, "Lists and events left out because the copy was newer");
        _losses = _meter.CreateCounter<long>("push_cluster_lease_losses", null, "Registrations that were lost and made anew, by reason");
        _margin = _meter.CreateHistogram<double>("push_cluster_lease_margin", "s", "Time left until self-fencing when the lease was renewed; below 0 = the node had fenced itself");
        _meter.CreateObservableGauge("push_cluster_etcd_revision", () => Volatile.Read(ref _revision), null, "Highest revision of etcd seen");
    }

    /// <summary>For listeners that want this client's instruments only.</summary>
    public Meter Meter => _meter;

    public void Called(string operation, string outcome) =>
        _calls.Add(1, new KeyValuePair<string, object?>("operation", operation), new KeyValuePair<string, object?>("outcome", outcome));

    public void EndpointSwitched() => _switches.Add(1);

    public void Authenticated(string outcome) => _authentications.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void WatchRestarted(string reason) => _restarts.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void Listed(string reason) => _lists.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void Stale() => _stale.Add(1);

    public void LeaseLost(string reason) => _losses.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public void LeaseRenewed(TimeSpan left) => _margin.Record(left.TotalSeconds);

    public void Seen(long revision)
    {
        for (var known = Volatile.Read(ref _revision); known < revision;)
        {
            var found = Interlocked.CompareExchange(ref _revision, revision, known);
            if (found == known)
                return;
            known = found;
        }
    }

    public void Dispose() => _meter.Dispose();
}
