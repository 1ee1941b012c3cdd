namespace PushSystem.Saver;

/// <summary>Settings of the message store. Checked by <see cref="Validate"/> when the store is opened.</summary>
public sealed class SaverOptions
{
    /// <summary>Folder of the database; created when missing. One process at a time. Default "data".</summary>
    public string DataFolder { get; set; } = "data";

    /// <summary>Most writes that wait for a commit; more are answered Overloaded. Default 100,000.</summary>
    public int QueueOperations { get; set; } = 100_000;

    /// <summary>Most bytes of writes that wait for a commit; more are answered Overloaded. Default 64 MiB.</summary>
    public long QueueBytes { get; set; } = 64L * 1024 * 1024;

    /// <summary>Most writes in one commit. Default 4,096.</summary>
    public int BatchOperations { get; set; } = 4_096;

    /// <summary>Most bytes of writes in one commit, unless a single one is larger. Default 8 MiB.</summary>
    public long BatchBytes { get; set; } = 8L * 1024 * 1024;

    /// <summary>
    /// Most payload bytes in the journal of recent messages, which is also held in memory; over it the oldest unacknowledged
    /// messages move to the table of waiting messages. Default 64 MiB.
    /// </summary>
    public long JournalBytes { get; set; } = 64L * 1024 * 1024;

    /// <summary>Most messages in the journal. Default 300,000.</summary>
    public int JournalMessages { get; set; } = 300_000;

    /// <summary>Mailbox heads kept in memory besides those with recent messages. Default 500,000 (about 500 bytes each).</summary>
    public int CachedMailboxes { get; set; } = 500_000;

    /// <summary>Broadcast payloads kept in memory, bytes. Default 32 MiB.</summary>
    public long BroadcastCacheBytes { get; set; } = 32L * 1024 * 1024;

    /// <summary>
    /// Longest time that acknowledgements stay in memory before they are committed; a crash within it costs repetitions on the
    /// wire, never a message. Default 250 ms.
    /// </summary>
    public TimeSpan AckFlushInterval { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Mailboxes with uncommitted acknowledgements that start a commit before the interval is over. Default 8,192.</summary>
    public int AckFlushCount { get; set; } = 8_192;

    /// <summary>Connections for reading. Default 4.</summary>
    public int Readers { get; set; } = 4;

    /// <summary>SQLite's page cache of the writing connection, bytes. Default 32 MiB.</summary>
    public long PageCacheBytes { get; set; } = 32L * 1024 * 1024;

    /// <summary>Write-ahead log written since the last checkpoint that starts the next one, bytes. Default 32 MiB.</summary>
    public long CheckpointBytes { get; set; } = 32L * 1024 * 1024;

    /// <summary>Pause between two rounds of removing what expired. Default 10 s.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Most rows of one kind that one round removes in one commit. Default 1,000.</summary>
    public int SweepRows { get; set; } = 1_000;

    /// <summary>Pause before a database that failed is opened again. Default 1 s.</summary>
    public TimeSpan RecoveryInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Most messages in one append. Default 10,000.</summary>
    public int AppendMessages { get; set; } = 10_000;

    /// <summary>Most broadcasts kept per app; more are answered Overloaded. Default 100,000.</summary>
    public int BroadcastsPerApp { get; set; } = 100_000;

    /// <summary>Most payload bytes of unexpired broadcasts per app; more are answered Overloaded. Default 1 GiB.</summary>
    public long BroadcastBytesPerApp { get; set; } = 1024L * 1024 * 1024;

    /// <summary>How long a finished broadcast can be asked for after it expired. At least and by default 24 h.</summary>
    public TimeSpan BroadcastRetention { get; set; } = TimeSpan.FromHours(24);

    /// <summary>How long parked messages are kept. Default 7 days.</summary>
    public TimeSpan ParkedRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Most parked messages; the oldest go first. Default 100,000.</summary>
    public int ParkedMessages { get; set; } = 100_000;

    /// <summary>
    /// Set once after an older copy of the data folder was put back: every stream begins a new epoch, so that clients that are ahead
    /// of the copy are told about the loss. Default false.
    /// </summary>
    public bool StartNewEpochs { get; set; }

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> or <see cref="ArgumentException"/> naming the option.</summary>
    public void Validate()
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(DataFolder);
        Check(QueueOperations, 1, 10_000_000, nameof(QueueOperations));
        Check(QueueBytes, 64 * 1024, 1L << 40, nameof(QueueBytes));
        Check(BatchOperations, 1, 1_000_000, nameof(BatchOperations));
        Check(BatchBytes, 64 * 1024, 1L << 40, nameof(BatchBytes));
        Check(JournalBytes, 0, 1L << 40, nameof(JournalBytes));
        Check(JournalMessages, 0, 100_000_000, nameof(JournalMessages));
        Check(CachedMailboxes, 1, 100_000_000, nameof(CachedMailboxes));
        Check(BroadcastCacheBytes, 0, 1L << 40, nameof(BroadcastCacheBytes));
        Check(AckFlushCount, 1, 100_000_000, nameof(AckFlushCount));
        Check(Readers, 1, 64, nameof(Readers));
        Check(PageCacheBytes, 64 * 1024, 1L << 40, nameof(PageCacheBytes));
        Check(CheckpointBytes, 64 * 1024, 1L << 40, nameof(CheckpointBytes));
        Check(SweepRows, 1, 1_000_000, nameof(SweepRows));
        Check(AppendMessages, 1, 1_000_000, nameof(AppendMessages));
        Check(BroadcastsPerApp, 1, 10_000_000, nameof(BroadcastsPerApp));
        Check(BroadcastBytesPerApp, 0, 1L << 50, nameof(BroadcastBytesPerApp));
        Check(ParkedMessages, 0, 100_000_000, nameof(ParkedMessages));
        Check(AckFlushInterval, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1), nameof(AckFlushInterval));
        Check(SweepInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1), nameof(SweepInterval));
        Check(RecoveryInterval, TimeSpan.FromMilliseconds(1), TimeSpan.FromHours(1), nameof(RecoveryInterval));
        Check(BroadcastRetention, TimeSpan.FromHours(24), TimeSpan.FromDays(3_650), nameof(BroadcastRetention));
        Check(ParkedRetention, TimeSpan.Zero, TimeSpan.FromDays(3_650), nameof(ParkedRetention));
    }

    private static void Check<T>(T value, T least, T most, string name) where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            throw new ArgumentOutOfRangeException(name, value, $"Saver:{name} must be from {least} to {most}");
    }
}
