namespace PushSystem.Cluster.Configuration;

/// <summary>Settings of the registers. Immutable.</summary>
public sealed record RegisterSection
{
    /// <summary>Pause between two rounds of removing the entries of dead rooms.</summary>
    [Setting("1s", "1d", NeedsRestart = true)]
    public TimeSpan? SweepInterval { get; init; }
}
