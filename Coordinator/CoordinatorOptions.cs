namespace PushSystem.Coordinator;

/// <summary>Settings of the coordinator, checked by <see cref="Validate"/> at start.</summary>
public sealed class CoordinatorOptions
{
    /// <summary>Most webhook requests in flight for one app; one user never has more than one. Default 16.</summary>
    public int InFlightPerApp { get; set; } = 16;
    /// <summary>Most bytes of event bodies kept in memory for one app, beside those in flight. Default 4 MiB.</summary>
    public int WindowBytesPerApp { get; set; } = 4 * 1024 * 1024;
    /// <summary>Most waiting events of one app that are known in memory (without their bodies). Default 100,000.</summary>
    public int IndexedEventsPerApp { get; set; } = 100_000;
    /// <summary>How long one webhook request may take. Default 10 s.</summary>
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(10);
    /// <summary>Pause before the first repetition; doubled each time, with jitter. Default 1 s.</summary>
    public TimeSpan RetryBase { get; set; } = TimeSpan.FromSeconds(1);
    /// <summary>Longest pause between repetitions. Default 5 min.</summary>
    public TimeSpan RetryCap { get; set; } = TimeSpan.FromMinutes(5);
    /// <summary>Longest Retry-After of a receiver that is honoured. Default 1 h.</summary>
    public TimeSpan RetryAfterCap { get; set; } = TimeSpan.FromHours(1);
    /// <summary>Age after which an event that could not be delivered is given up. Default 72 h.</summary>
    public TimeSpan GiveUpAge { get; set; } = TimeSpan.FromHours(72);
    /// <summary>How long a URL that answered 410 Gone is left alone. Default 1 h.</summary>
    public TimeSpan GonePause { get; set; } = TimeSpan.FromHours(1);
    /// <summary>So many users' events failing in a row, without a success, pause the URL as a whole. Default 8.</summary>
    public int EndpointFailureUsers { get; set; } = 8;
    /// <summary>Longest pause of a URL that fails as a whole; one request probes it afterwards. Default 1 min.</summary>
    public TimeSpan EndpointPauseCap { get; set; } = TimeSpan.FromMinutes(1);
    /// <summary>How often events whose app has no usable webhook now are looked at again, besides after each change of the app. Default 30 s.</summary>
    public TimeSpan NoTargetRecheck { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>
    /// Refuse webhook hosts with any address that is not public (loopback, private, link-local and the rest). Default false: the
    /// operator's own network is where most webhooks live.
    /// </summary>
    public bool DenyPrivateNetworks { get; set; }
    /// <summary>How long clients wait before they repeat a message that met a full queue. Default 5 s.</summary>
    public TimeSpan QueueFullRetry { get; set; } = TimeSpan.FromSeconds(5);
    /// <summary>How long clients wait before they repeat a message that could not be stored. Default 2 s.</summary>
    public TimeSpan NotStoredRetry { get; set; } = TimeSpan.FromSeconds(2);
    /// <summary>
    /// After the start, a take-over of the app, or the end of a room, users last reported online have so long to come back before they
    /// are reported offline. Default 60 s.
    /// </summary>
    public TimeSpan PresenceSettle { get; set; } = TimeSpan.FromSeconds(60);
    /// <summary>Users per app whose last presence is kept in memory; older ones are read again when needed. Default 100,000.</summary>
    public int PresenceUsersInMemory { get; set; } = 100_000;
    /// <summary>How long it is kept who went offline, so that a late change of an older session is known as late. Default 1 h.</summary>
    public TimeSpan PresenceKeepOffline { get; set; } = TimeSpan.FromHours(1);
    /// <summary>How often the queue is asked for apps with waiting events while nothing else tells. Default 1 s.</summary>
    public TimeSpan BacklogPoll { get; set; } = TimeSpan.FromSeconds(1);
    /// <summary>The owner of an app that was never seen among the coordinators that live is taken for dead after this time. Default 30 s.</summary>
    public TimeSpan UnknownOwnerPatience { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>How long a stop waits for webhook requests in flight. Default 5 s.</summary>
    public TimeSpan StopWait { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Throws <see cref="ArgumentException"/> naming the setting and its limit.</summary>
    public void Validate()
    {
        Check(InFlightPerApp is > 0 and <= 1_024, nameof(InFlightPerApp), "1 to 1024 are allowed");
        Check(WindowBytesPerApp is >= 65_536 and <= 1 << 30, nameof(WindowBytesPerApp), "65536 to 1073741824 are allowed");
        Check(IndexedEventsPerApp is >= 16 and <= 10_000_000, nameof(IndexedEventsPerApp), "16 to 10000000 are allowed");
        Check(EndpointFailureUsers is > 0 and <= 10_000, nameof(EndpointFailureUsers), "1 to 10000 are allowed");
        Check(PresenceUsersInMemory is >= 2 and <= 10_000_000, nameof(PresenceUsersInMemory), "2 to 10000000 are allowed");
        Span(RequestTimeout, nameof(RequestTimeout), TimeSpan.FromMinutes(5));
        Span(RetryBase, nameof(RetryBase), TimeSpan.FromHours(1));
        Span(RetryCap, nameof(RetryCap), TimeSpan.FromDays(1));
        Check(RetryCap >= RetryBase, nameof(RetryCap), "at least RetryBase is needed");
        Span(RetryAfterCap, nameof(RetryAfterCap), TimeSpan.FromDays(1));
        Span(GiveUpAge, nameof(GiveUpAge), TimeSpan.FromDays(30));
        Span(GonePause, nameof(GonePause), TimeSpan.FromDays(1));
        Span(EndpointPauseCap, nameof(EndpointPauseCap), TimeSpan.FromDays(1));
        Span(NoTargetRecheck, nameof(NoTargetRecheck), TimeSpan.FromDays(1));
        Span(QueueFullRetry, nameof(QueueFullRetry), TimeSpan.FromHours(1));
        Span(NotStoredRetry, nameof(NotStoredRetry), TimeSpan.FromHours(1));
        Span(PresenceSettle, nameof(PresenceSettle), TimeSpan.FromDays(1));
        Span(PresenceKeepOffline, nameof(PresenceKeepOffline), TimeSpan.FromDays(30));
        Span(BacklogPoll, nameof(BacklogPoll), TimeSpan.FromHours(1));
        Span(UnknownOwnerPatience, nameof(UnknownOwnerPatience), TimeSpan.FromDays(1));
        Span(StopWait, nameof(StopWait), TimeSpan.FromMinutes(5));
    }

    private static void Span(TimeSpan value, string name, TimeSpan most) =>
        Check(value >= TimeSpan.FromMilliseconds(1) && value <= most, name, $"1 ms to {most} are allowed");

    private static void Check(bool condition, string name, string rule)
    {
        if (!condition)
            throw new ArgumentException($"Coordinator:{name} is out of range: {rule}", name);
    }
}
