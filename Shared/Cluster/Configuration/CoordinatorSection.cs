namespace PushSystem.Cluster.Configuration;

/// <summary>Settings of the coordinators. Names are those of CoordinatorOptions. Immutable.</summary>
public sealed record CoordinatorSection : ISection
{
    /// <summary>Most webhook requests in flight for one app.</summary>
    [Setting("1", "1024")]
    public int? InFlightPerApp { get; init; }
    /// <summary>How long one webhook request may take.</summary>
    [Setting("1ms", "5m", NeedsRestart = true)]
    public TimeSpan? RequestTimeout { get; init; }
    /// <summary>Pause before the first repetition.</summary>
    [Setting("1ms", "1h", NeedsRestart = true)]
    public TimeSpan? RetryBase { get; init; }
    /// <summary>Longest pause between repetitions.</summary>
    [Setting("1ms", "1d", NeedsRestart = true)]
    public TimeSpan? RetryCap { get; init; }
    /// <summary>Longest Retry-After that is honoured.</summary>
    [Setting("1ms", "1d")]
    public TimeSpan? RetryAfterCap { get; init; }
    /// <summary>Age after which an event is given up.</summary>
    [Setting("1ms", "30d")]
    public TimeSpan? GiveUpAge { get; init; }
    /// <summary>How long a URL that answered 410 is left alone.</summary>
    [Setting("1ms", "1d")]
    public TimeSpan? GonePause { get; init; }
    /// <summary>How often events without a usable webhook are looked at again.</summary>
    [Setting("1ms", "1d")]
    public TimeSpan? NoTargetRecheck { get; init; }
    /// <summary>So many users' events failing in a row pause a URL.</summary>
    [Setting("1", "10000", NeedsRestart = true)]
    public int? EndpointFailureUsers { get; init; }
    /// <summary>Longest pause of a URL that fails as a whole.</summary>
    [Setting("1ms", "1d", NeedsRestart = true)]
    public TimeSpan? EndpointPauseCap { get; init; }
    /// <summary>How long clients wait before they repeat a message that met a full queue.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? QueueFullRetry { get; init; }
    /// <summary>How long clients wait before they repeat a message that could not be stored.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? NotStoredRetry { get; init; }
    /// <summary>Refuse webhook hosts that are not public.</summary>
    [Setting(NeedsRestart = true)]
    public bool? DenyPrivateNetworks { get; init; }

    void ISection.Check(SectionCheck check) => check.Ascending(("retryBase", RetryBase), ("retryCap", RetryCap));
}
