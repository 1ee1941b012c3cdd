using System.Diagnostics.Metrics;

namespace PushSystem.Saver;

/// <summary>
/// The store's instruments, meter "PushSystem.Saver". Thread-safe. Owned and disposed by the store.
/// </summary>
internal sealed class SaverMetrics : IDisposable
{
    private readonly Meter _meter = new("PushSystem.Saver");

    public SaverMetrics()
    {
        CommitSeconds = _meter.CreateHistogram<double>("push_saver_commit_duration", "s", "Time of one durable commit");
        BatchOperations = _meter.CreateHistogram<int>("push_saver_batch_operations", null, "Writes in one commit");
        Appended = _meter.CreateCounter<long>("push_saver_appended", null, "Messages stored");
        Acked = _meter.CreateCounter<long>("push_saver_acked", null, "Messages removed by an acknowledgement");
        AcksIgnored = _meter.CreateCounter<long>("push_saver_acks_ignored", null, "Acknowledgements that changed nothing: known already, of another epoch, or beyond the top");
        Overflowed = _meter.CreateCounter<long>("push_saver_overflowed", null, "Messages removed because their mailbox was full");
        Expired = _meter.CreateCounter<long>("push_saver_expired", null, "Messages removed because their time was over");
        Parked = _meter.CreateCounter<long>("push_saver_parked", null, "Messages set aside after too many deliveries");
        Moved = _meter.CreateCounter<long>("push_saver_journal_moved", null, "Messages moved from the journal to the table of waiting messages");
        EpochChanges = _meter.CreateCounter<long>("push_saver_epoch_changes", null, "Mailboxes that began a new epoch because data was lost");
        Refused = _meter.CreateCounter<long>("push_saver_refused", null, "Writes refused because the queue was full");
        Failures = _meter.CreateCounter<long>("push_saver_failures", null, "Commits that failed");
        MemoryReads = _meter.CreateCounter<long>("push_saver_reads_memory", null, "Reads served from memory");
        TableReads = _meter.CreateCounter<long>("push_saver_reads_table", null, "Reads that needed the database");
        Checkpoints = _meter.CreateCounter<long>("push_saver_checkpoints", null, "Checkpoints of the write-ahead log");
    }

    public Histogram<double> CommitSeconds { get; }
    public Histogram<int> BatchOperations { get; }
    public Counter<long> Appended { get; }
    public Counter<long> Acked { get; }
    public Counter<long> AcksIgnored { get; }
    public Counter<long> Overflowed { get; }
    public Counter<long> Expired { get; }
    public Counter<long> Parked { get; }
    public Counter<long> Moved { get; }
    public Counter<long> EpochChanges { get; }
    public Counter<long> Refused { get; }
    public Counter<long> Failures { get; }
    public Counter<long> MemoryReads { get; }
    public Counter<long> TableReads { get; }
    public Counter<long> Checkpoints { get; }

    /// <summary>Adds a gauge that is read when somebody collects.</summary>
    public void Observe(string name, string? unit, string description, Func<long> read) =>
        _meter.CreateObservableGauge(name, read, unit, description);

    public void Dispose() => _meter.Dispose();
}
