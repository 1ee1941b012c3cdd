namespace PushSystem.Cluster.Configuration;

/// <summary>Settings of the savers. Names are those of ClusterSaverOptions and MySqlOptions. Immutable.</summary>
public sealed record SaverSection : ISection
{
    /// <summary>A message that is only stored waits so long before it lands, so that those acknowledged by then need not.</summary>
    [Setting("1ms", "1m")]
    public TimeSpan? LandingLinger { get; init; }
    /// <summary>How long a durable request waits for its landing.</summary>
    [Setting("10ms", "10m")]
    public TimeSpan? DurableTimeout { get; init; }
    /// <summary>Rows waiting to land above which level durable is refused.</summary>
    [Setting("1", "1000000000")]
    public long? DurableLagRows { get; init; }
    /// <summary>Rows waiting to land above which everything is refused.</summary>
    [Setting("1", "1000000000")]
    public long? StoredLagRows { get; init; }
    /// <summary>Age of the oldest row waiting to land above which level durable is refused.</summary>
    [Setting("1s", "1d")]
    public TimeSpan? DurableLagAge { get; init; }
    /// <summary>Pause between two rounds of removing what expired.</summary>
    [Setting("10ms", "1d")]
    public TimeSpan? SweepInterval { get; init; }
    /// <summary>Most rows of one kind that one round removes at once.</summary>
    [Setting("1", "1000000")]
    public int? SweepRows { get; init; }
    /// <summary>How long a finished broadcast, and an ended multicast, can be asked for.</summary>
    [Setting("24h", "3650d")]
    public TimeSpan? Retention { get; init; }
    /// <summary>How long parked messages and rejected rows are kept.</summary>
    [Setting("0s", "3650d")]
    public TimeSpan? ParkedRetention { get; init; }

    void ISection.Check(SectionCheck check) => check.Ascending(("durableLagRows", DurableLagRows), ("storedLagRows", StoredLagRows));
}
