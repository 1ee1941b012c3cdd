namespace PushSystem.Saver.MySql;

/// <summary>Settings of the stores over MySQL or MariaDB. Checked by <see cref="Validate"/> when the store is opened.</summary>
public sealed class MySqlOptions
{
    /// <summary>
    /// Assembly-qualified name of the ADO.NET provider's factory. Default the own provider over MariaDB Connector/C; "MySqlConnector.MySqlConnectorFactory,
    /// MySqlConnector" works where that library is present.
    /// </summary>
    public string Provider { get; set; } = "PushSystem.MariaDb.MariaDbFactory, PushSystem.MariaDb";

    /// <summary>Connection string with the database. Holds a password: it is never logged.</summary>
    public string ConnectionString { get; set; } = "";

    /// <summary>How long a call may take, waiting included, before it is answered as unavailable. Default 5 s.</summary>
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long one statement of a schema script may take. Default 10 min.</summary>
    public TimeSpan SchemaDeadline { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Calls that use a connection at the same time; others wait. The mailboxes' landing has its own. Default 12.</summary>
    public int Connections { get; set; } = 12;

    /// <summary>Most calls that are under way or wait; more are answered as unavailable at once. Default 2,000.</summary>
    public int Calls { get; set; } = 2_000;

    /// <summary>Most bytes of writes that wait for a group commit, per kind; more are answered as unavailable. Default 32 MiB.</summary>
    public long QueueBytes { get; set; } = 32L * 1024 * 1024;

    /// <summary>Most writes in one group commit. Default 1,000.</summary>
    public int BatchOperations { get; set; } = 1_000;

    /// <summary>Most bytes of writes in one group commit, unless a single one is larger. Default 8 MiB.</summary>
    public long BatchBytes { get; set; } = 8L * 1024 * 1024;

    /// <summary>Bytes at which a statement of many rows ends; below the server's max_allowed_packet. Default 1 MiB.</summary>
    public int StatementBytes { get; set; } = 1024 * 1024;

    /// <summary>Longest time that acknowledgements of broadcasts are counted in memory only. Default 500 ms.</summary>
    public TimeSpan AckFlushInterval { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>Broadcast payloads kept in memory, bytes. Default 32 MiB.</summary>
    public long BroadcastCacheBytes { get; set; } = 32L * 1024 * 1024;

    /// <summary>
    /// Pause between two comparisons of the read copies of broadcast logs with the database; they differ only when a saver died between
    /// its commit and the update of the copy. Default 2 s.
    /// </summary>
    public TimeSpan CompareInterval { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Most broadcasts kept per app; more are answered Overloaded. Default 100,000.</summary>
    public int BroadcastsPerApp { get; set; } = 100_000;

    /// <summary>Most payload bytes of kept broadcasts per app; more are answered Overloaded. Default 1 GiB.</summary>
    public long BroadcastBytesPerApp { get; set; } = 1024L * 1024 * 1024;

    /// <summary>How long a finished broadcast can be asked for after it expired, and an ended multicast. At least and by default 24 h.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromHours(24);

    /// <summary>Pause between two rounds of removing what expired; one saver of all does it. Default 10 s.</summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Most rows of one kind that one round removes in one transaction. Default 1,000.</summary>
    public int SweepRows { get; set; } = 1_000;

    /// <summary>Throws <see cref="ArgumentOutOfRangeException"/> or <see cref="ArgumentException"/> naming the option.</summary>
    public void Validate()
    {
        if (string.IsNullOrWhiteSpace(Provider))
            throw new ArgumentException("Saver:MySql:Provider must name a type", nameof(Provider));
        if (string.IsNullOrWhiteSpace(ConnectionString))
            throw new ArgumentException("Saver:MySql:ConnectionString must not be empty", nameof(ConnectionString));
        Check(Deadline, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10), nameof(Deadline));
        Check(SchemaDeadline, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), nameof(SchemaDeadline));
        Check(Connections, 2, 1_000, nameof(Connections));
        Check(Calls, 1, 1_000_000, nameof(Calls));
        Check(QueueBytes, 64 * 1024, 1L << 40, nameof(QueueBytes));
        Check(BatchOperations, 1, 100_000, nameof(BatchOperations));
        Check(BatchBytes, 64 * 1024, 1L << 40, nameof(BatchBytes));
        Check(StatementBytes, 1024, 1024 * 1024 * 1024, nameof(StatementBytes));
        Check(AckFlushInterval, TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1), nameof(AckFlushInterval));
        Check(BroadcastCacheBytes, 0, 1L << 40, nameof(BroadcastCacheBytes));
        Check(CompareInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1), nameof(CompareInterval));
        Check(BroadcastsPerApp, 1, 10_000_000, nameof(BroadcastsPerApp));
        Check(BroadcastBytesPerApp, 0, 1L << 50, nameof(BroadcastBytesPerApp));
        Check(Retention, TimeSpan.FromHours(24), TimeSpan.FromDays(3_650), nameof(Retention));
        Check(SweepInterval, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1), nameof(SweepInterval));
        Check(SweepRows, 1, 1_000_000, nameof(SweepRows));
    }

    private static void Check<T>(T value, T least, T most, string name) where T : IComparable<T>
    {
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0)
            throw new ArgumentOutOfRangeException(name, value, $"Saver:MySql:{name} must be from {least} to {most}");
    }
}
