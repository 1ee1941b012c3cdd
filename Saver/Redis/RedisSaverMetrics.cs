using System.Diagnostics.Metrics;
using PushSystem.Saver.Landing;

namespace PushSystem.Saver.Redis;

/// <summary>
/// Instruments of the mailboxes over redis, meter "PushSystem.Saver". Thread-safe. Owned and disposed by <see cref="RedisMailboxes"/>.
/// </summary>
internal sealed class RedisSaverMetrics : IDisposable
{
    private static readonly KeyValuePair<string, object?> Stored = new("level", "stored"), Durable = new("level", "durable");
    private readonly Meter _meter = new("PushSystem.Saver");

    public RedisSaverMetrics()
    {
        Appended = _meter.CreateCounter<long>("push_saver_appended", null, "Messages stored, by level");
        Acked = _meter.CreateCounter<long>("push_saver_acked", null, "Messages removed by an acknowledgement");
        AcksIgnored = _meter.CreateCounter<long>("push_saver_acks_ignored", null, "Acknowledgements that changed nothing: known already, of another epoch, or beyond the top");
        Overflowed = _meter.CreateCounter<long>("push_saver_overflowed", null, "Messages removed because their mailbox was full");
        Expired = _meter.CreateCounter<long>("push_saver_expired", null, "Messages removed because their time was over");
        Parked = _meter.CreateCounter<long>("push_saver_parked", null, "Messages set aside after too many deliveries");
        BatchOperations = _meter.CreateHistogram<int>("push_saver_batch_operations", null, "Requests in one batch of a partition");
        Commands = _meter.CreateCounter<long>("push_saver_redis_commands", null, "Scripts run in redis");
        Refused = _meter.CreateCounter<long>("push_saver_refused", null, "Requests refused because a queue was full");
        LagRefused = _meter.CreateCounter<long>("push_saver_lag_refused", null, "Appends refused because too much waits to be landed");
        FencesLost = _meter.CreateCounter<long>("push_saver_fences_lost", null, "Batches refused because another saver took the partition or redis was behind");
        EpochChanges = _meter.CreateCounter<long>("push_saver_epoch_changes", null, "Epochs begun because data was or may have been lost");
        Rewinds = _meter.CreateCounter<long>("push_saver_rewinds", null, "Partitions whose redis was behind what it had confirmed");
        Refilled = _meter.CreateCounter<long>("push_saver_refilled_mailboxes", null, "Mailboxes installed again after a loss");
        LandedRows = _meter.CreateCounter<long>("push_saver_landed_rows", null, "Rows written to the landing tier");
        LandingSeconds = _meter.CreateHistogram<double>("push_saver_landing_duration", "s", "Time of one landing transaction");
        LandingFailures = _meter.CreateCounter<long>("push_saver_landing_failures", null, "Landing rounds that failed");
        Rejected = _meter.CreateCounter<long>("push_saver_landing_rejected", null, "Rows that the landing tier refused and that were parked");
    }

    public Counter<long> Appended { get; }
    public Counter<long> Acked { get; }
    public Counter<long> AcksIgnored { get; }
    public Counter<long> Overflowed { get; }
    public Counter<long> Expired { get; }
    public Counter<long> Parked { get; }
    public Histogram<int> BatchOperations { get; }
    public Counter<long> Commands { get; }
    public Counter<long> Refused { get; }
    public Counter<long> LagRefused { get; }
    public Counter<long> FencesLost { get; }
    public Counter<long> EpochChanges { get; }
    public Counter<long> Rewinds { get; }
    public Counter<long> Refilled { get; }
    public Counter<long> LandedRows { get; }
    public Histogram<double> LandingSeconds { get; }
    public Counter<long> LandingFailures { get; }
    public Counter<long> Rejected { get; }

    /// <summary>The lag, read when somebody collects.</summary>
    public void ObserveLag(LandingTotals totals, Func<double> seconds)
    {
        _meter.CreateObservableGauge("push_saver_landing_lag_rows", () => totals.Rows, null, "Rows that wait to be landed");
        _meter.CreateObservableGauge("push_saver_landing_lag_bytes", () => totals.Bytes, "By", "Memory of rows that wait to be landed");
        _meter.CreateObservableGauge("push_saver_landing_lag_seconds", seconds, "s", "Age of the oldest row that waits to be landed");
    }

    /// <summary>A batch was applied.</summary>
    public void Count(HotBatch batch, int operations)
    {
        if (operations > 0)
            BatchOperations.Record(operations);
        Add(Acked, batch.Acked);
        Add(AcksIgnored, batch.AcksIgnored);
        Add(Overflowed, batch.Overflowed);
        Add(Expired, batch.Expired);
        Add(Parked, batch.Parked);
        if (batch.AppendedDurable > 0)
            Appended.Add(batch.AppendedDurable, Durable);
        if (batch.Appended > batch.AppendedDurable)
            Appended.Add(batch.Appended - batch.AppendedDurable, Stored);
    }

    public void Dispose() => _meter.Dispose();

    private static void Add(Counter<long> counter, int count)
    {
        if (count > 0)
            counter.Add(count);
    }
}
