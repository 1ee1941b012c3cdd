namespace PushSystem.Saver.Redis;

/// <summary>Settings of the mailboxes over redis and their landing. Checked by <see cref="Validate"/> when they are started.</summary>
public sealed class ClusterSaverOptions
{
    /// <summary>
    /// Hashes that the states of one partition's users are spread over; redis keeps a hash small up to 128 users. Counts for new
    /// partitions only, a partition keeps the number it began with. Default 1,024.
    /// </summary>
    public int Buckets { get; set; } = 1_024;

    /// <summary>Most requests that wait in one partition; more are answered Overloaded. Default 10,000.</summary>
    public int QueueOperations { get; set; } = 10_000;

    /// <summary>Most bytes of requests that wait in one partition, unless a single one is larger. Default 16 MiB.</summary>
    public long QueueBytes { get; set; } = 16L * 1024 * 1024;

    /// <summary>Most requests in one batch. Default 512.</summary>
    public int BatchOperations { get; set; } = 512;

    /// <summary>Most bytes that one batch sends, unless a single request has more. Default 512 KiB.</summary>
    public int BatchBytes { get; set; } = 512 * 1024;

    /// <summary>Most payload bytes that one batch reads, unless a single request asks for more. Default 1 MiB.</summary>
    public long ReadBytes { get; set; } = 1024 * 1024;

    /// <summary>
    /// Longest time that acknowledgements stay in memory when no other batch takes them along; losing them costs repetitions on the
    /// wire, never a message. Default 100 ms.
    /// </summary>
    public TimeSpan AckLinger { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Acknowledgements of one partition that start a batch at once. Default 512.</summary>
    public int AckBatch { get; set; } = 512;

    /// <summary>Most acknowledgements that wait in one partition; more are refused. Default 100,000.</summary>
    public int AckQueue { get; set; } = 100_000;

    /// <summary>Mailboxes that all partitions together keep in memory. Default 500,000 (about 400 bytes each).</summary>
    public int CachedMailboxes { get; set; } = 500_000;

    /// <summary>How long a request may wait for redis before it is answered as unavailable. Default 5 s.</summary>
    public TimeSpan OperationTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a message that is only stored waits before it lands, so that those acknowledged by then need not. Default 700 ms.
    /// </summary>
    public TimeSpan LandingLinger { get; set; } = TimeSpan.FromMilliseconds(700);

    /// <summary>Most rows in one landing transaction, about. Default 4,000.</summary>
    public int LandingRows { get; set; } = 4_000;

    /// <summary>Most bytes in one SQL statement, unless a single row is larger; below the server's max_allowed_packet. Default 1 MiB.</summary>
    public int StatementBytes { get; set; } = 1024 * 1024;

    /// <summary>Bytes of messages kept in memory until they have landed; beyond, they are read from redis again. Default 64 MiB.</summary>
    public long LandingBytes { get; set; } = 64L * 1024 * 1024;

    /// <summary>Longest time for one statement of the landing tier. Default 10 s.</summary>
    public TimeSpan LandingTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Pause after the landing tier failed. Default 500 ms.</summary>
    public TimeSpan LandingRetry { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a durable request waits for its landing before it is answered as unavailable. Default 5 s.</summary>
    public TimeSpan DurableTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Rows waiting to land over which durable requests are answered Overloaded. Default 200,000.</summary>
    public long DurableLagRows { get; set; } = 200_000;

    /// <summary>Age of the oldest row waiting to land over which durable requests are answered Overloaded. Default 120 s.</summary>
    public TimeSpan DurableLagAge { get; set; } = TimeSpan.FromSeconds(120);

    /// <summary>Rows waiting to land over which every append is answered Overloaded. Default 2,000,000.</summary>
    public long StoredLagRows { get; set; } = 2_000_000;

    /// <summary>Mailboxes that the background filler installs again in one step after a loss. Default 128.</summary>
    public int FillUsers { get; set; } = 128;

    /// <summary>
    /// Pause between two looks at partitions that nobody seems to serve: one with something left to land, or to fill, is taken. Also how
    /// often the owner checks which data its redis stands on. Default 15 s.
    /// </summary>
    public TimeSpan AdoptInterval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>Pause between two rounds of removing what expired from the landing tier. Default 30 s.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Most rows of one kind that one round removes in one statement. Default 1,000.</summary>
    public int SweepRows { get; set; } = 1_000;

    /// <summary>How long parked messages and rejected rows are kept. Default 7 days.</summary>
    public TimeSpan ParkedRetention { get; set; } = TimeSpan.FromDays(7);

    /// <summary>Most messages in one append. Default 10,000.</summary>
    public int AppendMessages { get; set; } = 10_000;

    /// <summary>Longest time that stopping waits for what is queued and for the last landing. Default 10 s.</summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> naming the option.</summary>
    public void Validate()
    {
        Check(Buckets, 1, 1_000_000, nameof(Buckets));
        Check(QueueOperations, 1, 10_000_000, nameof(QueueOperations));
        Check(QueueBytes, 64 * 1024, 1L << 40, nameof(QueueBytes));
        Check(BatchOperations, 1, 100_000, nameof(BatchOperations));
        Check(BatchBytes, 1024, 64 * 1024 * 1024, nameof(BatchBytes));
        Check(ReadBytes, 1024, 1L << 30, nameof(ReadBytes));
        Check(AckLinger, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1), nameof(AckLinger));
        Check(AckBatch, 1, 1_000_000, nameof(AckBatch));
        Check(AckQueue, 1, 100_000_000, nameof(AckQueue));
        Check(CachedMailboxes, 1, 100_000_000, nameof(CachedMailboxes));
        Check(OperationTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10), nameof(OperationTimeout));
        Check(LandingLinger, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(10), nameof(LandingLinger));
        Check(LandingRows, 1, 1_000_000, nameof(LandingRows));
        Check(StatementBytes, 1024, 1024 * 1024 * 1024, nameof(StatementBytes));
        Check(LandingBytes, 0, 1L << 40, nameof(LandingBytes));
        Check(LandingTimeout, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10), nameof(LandingTimeout));
        Check(LandingRetry, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(10), nameof(LandingRetry));
        Check(DurableTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(10), nameof(DurableTimeout));
        Check(DurableLagRows, 1, 1L << 40, nameof(DurableLagRows));
        Check(DurableLagAge, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), nameof(DurableLagAge));
        Check(StoredLagRows, 1, 1L << 40, nameof(StoredLagRows));
        Check(FillUsers, 1, 10_000, nameof(FillUsers));
        Check(AdoptInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1), nameof(AdoptInterval));
        Check(SweepInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1), nameof(SweepInterval));
        Check(SweepRows, 1, 1_000_000, nameof(SweepRows));
        Check(ParkedRetention, TimeSpan.Zero, TimeSpan.FromDays(3_650), nameof(ParkedRetention));
        Check(AppendMessages, 1, 1_000_000, nameof(AppendMessages));
        Check(StopTimeout, TimeSpan.Zero, TimeSpan.FromMinutes(10), nameof(StopTimeout));
    }

    private static void Check<T>(T value, T least, T most, string name) where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            throw new ArgumentOutOfRangeException(name, value, $"Saver:{name} must be from {least} to {most}");
    }
}
