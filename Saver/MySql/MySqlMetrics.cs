using System.Diagnostics.Metrics;

namespace PushSystem.Saver.MySql;

/// <summary>The instruments of the stores over MySQL, meter "PushSystem.Saver". Thread-safe. Owned and disposed by the cluster store.</summary>
internal sealed class MySqlMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Saver");

    public MySqlMetrics()
    {
        CommitSeconds = _meter.CreateHistogram<double>("push_saver_sql_commit_duration", "s", "Time of one transaction, by store");
        ReadSeconds = _meter.CreateHistogram<double>("push_saver_sql_read_duration", "s", "Time of one reading call");
        BatchOperations = _meter.CreateHistogram<int>("push_saver_sql_batch_operations", null, "Writes in one group commit, by store");
        Failures = _meter.CreateCounter<long>("push_saver_sql_failures", null, "Calls that the database did not answer or refused, by reason");
        Refused = _meter.CreateCounter<long>("push_saver_sql_refused", null, "Calls refused because too many wait");
        Retries = _meter.CreateCounter<long>("push_saver_sql_deadlocks", null, "Transactions repeated after a deadlock");
        CopyReads = _meter.CreateCounter<long>("push_saver_log_copy_reads", null, "Broadcast logs read, by where from: memory, redis or database");
        CopyFailures = _meter.CreateCounter<long>("push_saver_log_copy_failures", null, "Read copies of broadcast logs that could not be read or written");
        PayloadReads = _meter.CreateCounter<long>("push_saver_log_payload_reads", null, "Payloads of broadcasts read, by where from");
        AcksDropped = _meter.CreateCounter<long>("push_saver_log_acks_uncounted", null, "Acknowledgements of broadcasts that are missing in their counts");
        Swept = _meter.CreateCounter<long>("push_saver_sql_swept", null, "Rows removed because their time was over, by kind");
    }

    public Histogram<double> CommitSeconds { get; }
    public Histogram<double> ReadSeconds { get; }
    public Histogram<int> BatchOperations { get; }
    public Counter<long> Failures { get; }
    public Counter<long> Refused { get; }
    public Counter<long> Retries { get; }
    public Counter<long> CopyReads { get; }
    public Counter<long> CopyFailures { get; }
    public Counter<long> PayloadReads { get; }
    public Counter<long> AcksDropped { get; }
    public Counter<long> Swept { get; }

    /// <summary>Adds a gauge that is read when somebody collects.</summary>
    public void Observe(string name, string? unit, string description, Func<IEnumerable<Measurement<long>>> read) =>
        _meter.CreateObservableGauge(name, read, unit, description);

    public void Dispose() => _meter.Dispose();
}
