using System.Diagnostics.Metrics;

namespace PushSystem.Cluster.Apps;

/// <summary>
/// Metrics of the apps.
/// Owns the meter; any thread; the directory disposes it.
/// </summary>
internal sealed class AppDirectoryMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Cluster");

    public AppDirectoryMetrics(Func<long> known, Func<long> unreadable, Func<long> fromDisk)
    {
        _meter.CreateObservableGauge("push_apps_known", known, null, "Apps in memory");
        _meter.CreateObservableGauge("push_apps_unreadable", unreadable, null, "Apps in etcd whose newest version cannot be decrypted or read");
        _meter.CreateObservableGauge("push_apps_from_disk", fromDisk, null, "1 while the apps were read from disk because etcd was away");
    }

    public void Dispose() => _meter.Dispose();
}
