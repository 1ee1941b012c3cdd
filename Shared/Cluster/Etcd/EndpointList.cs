using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// The one list of endpoints that calls and watches of a client share: a failure seen by one moves all of them on.
/// Owned by EtcdClient; any thread; nothing to dispose.
/// </summary>
internal sealed class EndpointList
{
    private readonly Lock _lock = new();
    private readonly EtcdOptions _options;
    private readonly TimeProvider _clock;
    private readonly ClusterMetrics _metrics;
    private readonly ILogger _logger;
    private List<EtcdEndpoint> _all;
    private EtcdEndpoint _current;

    public EndpointList(EtcdOptions options, TimeProvider clock, ClusterMetrics metrics, ILogger logger)
    {
        (_options, _clock, _metrics, _logger) = (options, clock, metrics, logger);
        _all = [];
        foreach (var text in options.Endpoints)
        {
            if (EtcdEndpoint.TryParse(text, out var address) && !_all.Exists(known => known.Address == address))
                _all.Add(new EtcdEndpoint(address, isConfigured: true));
        }
        // Processes with the same options would otherwise all sit on the first member.
        _current = _all[Random.Shared.Next(_all.Count)];
    }

    /// <summary>A copy of the list.</summary>
    public IReadOnlyList<EtcdEndpoint> All
    {
        get
        {
            lock (_lock)
                return [.. _all];
        }
    }

    /// <summary>
    /// The endpoint to use: the current one while it does well, else a random one of those that may be tried, else the one that may
    /// be tried soonest. Null when all were tried already.
    /// </summary>
    public EtcdEndpoint? Pick(ICollection<EtcdEndpoint>? tried = null)
    {
        lock (_lock)
        {
            var now = _clock.GetTimestamp();
            if (_current.NotBefore <= now && tried?.Contains(_current) != true && _all.Contains(_current))
                return _current;
            var open = _all.Where(one => tried?.Contains(one) != true).ToList();
            if (open.Count == 0)
                return null;
            var ready = open.Where(one => one.NotBefore <= now).ToList();
            var next = ready.Count > 0 ? ready[Random.Shared.Next(ready.Count)] : open.MinBy(one => one.NotBefore)!;
            if (next != _current)
            {
                ClusterLog.EndpointSwitched(_logger, _current.ToString(), next.ToString());
                _metrics.EndpointSwitched();
                _current = next;
            }
            return next;
        }
    }

    /// <summary>The endpoint did not answer, or not as etcd does: others are preferred for a while.</summary>
    public void Failed(EtcdEndpoint endpoint, string reason)
    {
        lock (_lock)
        {
            endpoint.Failures++;
            var pause = BackOff.After(endpoint.Failures, _options.BackOffMin, _options.BackOffMax);
            endpoint.NotBefore = _clock.GetTimestamp() + (long)(pause.TotalSeconds * _clock.TimestampFrequency);
        }
        ClusterLog.EndpointFailed(_logger, endpoint.ToString(), reason);
    }

    /// <summary>The endpoint answered.</summary>
    public void Succeeded(EtcdEndpoint endpoint)
    {
        if (endpoint.Failures == 0)
            return;
        lock (_lock)
            (endpoint.Failures, endpoint.NotBefore) = (0, 0);
    }

    /// <summary>Takes what the members say: configured endpoints stay, found ones come and go.</summary>
    public void Update(IReadOnlyCollection<Uri> found)
    {
        lock (_lock)
        {
            var next = _all.Where(one => one.IsConfigured || found.Contains(one.Address)).ToList();
            foreach (var address in found)
            {
                if (!next.Exists(one => one.Address == address))
                {
                    next.Add(new EtcdEndpoint(address, isConfigured: false));
                    ClusterLog.EndpointFound(_logger, address.ToString());
                }
            }
            _all = next;
        }
    }
}
