using PushSystem.Contracts;

namespace PushSystem.Cluster.Configuration;

/// <summary>Settings of the centers. Names are those of CenterOptions. Immutable.</summary>
public sealed record CenterSection : ISection
{
    /// <summary>Level of messages that name none.</summary>
    [Setting]
    public Durability? DefaultLevel { get; init; }
    /// <summary>Longest body of a batch.</summary>
    [Setting("64KiB", "256MiB", Bytes = true)]
    public int? MaxBatchBodyBytes { get; init; }
    /// <summary>Most broadcasts of one app that are not finished.</summary>
    [Setting("1", "1000000")]
    public int? MaxUnfinishedBroadcasts { get; init; }
    /// <summary>First wait before a broadcast's progress is asked again.</summary>
    [Setting("1ms", "1m")]
    public TimeSpan? FirstProgressInterval { get; init; }
    /// <summary>Longest wait before a broadcast's progress is asked again.</summary>
    [Setting("1ms", "1m")]
    public TimeSpan? ProgressInterval { get; init; }
    /// <summary>First wait after a task failed.</summary>
    [Setting("1ms", "10m")]
    public TimeSpan? RetryDelay { get; init; }
    /// <summary>Longest wait after a task failed.</summary>
    [Setting("1ms", "10m")]
    public TimeSpan? MaxRetryDelay { get; init; }
    /// <summary>How often missed tasks are looked for.</summary>
    [Setting("1s", "1h")]
    public TimeSpan? RefreshInterval { get; init; }
    /// <summary>Most bytes of request bodies held at once.</summary>
    [Setting("1MiB", "64GiB", Bytes = true, NeedsRestart = true)]
    public long? BufferedBodyBytes { get; init; }
    /// <summary>Most bytes of messages that wait for a session lookup.</summary>
    [Setting("64KiB", "64GiB", Bytes = true, NeedsRestart = true)]
    public long? DeliveryQueueBytes { get; init; }
    /// <summary>Most bytes of messages that wait for one room.</summary>
    [Setting("64KiB", "64GiB", Bytes = true, NeedsRestart = true)]
    public long? RoomQueueBytes { get; init; }
    /// <summary>Most messages handed to a room in one call.</summary>
    [Setting("1", "10000", NeedsRestart = true)]
    public int? DeliveryBatch { get; init; }

    void ISection.Check(SectionCheck check)
    {
        check.Ascending(("firstProgressInterval", FirstProgressInterval), ("progressInterval", ProgressInterval));
        check.Ascending(("retryDelay", RetryDelay), ("maxRetryDelay", MaxRetryDelay));
    }
}
