using System.Diagnostics.Metrics;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// Metrics of the configuration in force.
/// Owns the meter; any thread records; the source disposes it.
/// </summary>
internal sealed class ConfigurationMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Cluster");
    private readonly Counter<long> _rejected;

    public ConfigurationMetrics(Func<long> revision, Func<long> fromDisk)
    {
        _rejected = _meter.CreateCounter<long>("push_config_rejected", null, "Revisions of the configuration that were rejected");
        _meter.CreateObservableGauge("push_config_revision", revision, null, "Revision of the configuration in force, 0 = defaults");
        _meter.CreateObservableGauge("push_config_from_disk", fromDisk, null, "1 while the configuration in force was read from disk because etcd was away");
    }

    public void Rejected() => _rejected.Add(1);

    public void Dispose() => _meter.Dispose();
}
