using System.Net;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// Settings of the rooms. Names are those of RoomOptions. What is hot is read by rooms whenever it is needed; a change holds for what
/// happens after it (a client learns new intervals at its next login or PING). Immutable.
/// </summary>
public sealed record RoomSection : ISection
{
    /// <summary>Shortest heartbeat interval.</summary>
    [Setting("1s", "1d", WholeSeconds = true)]
    public TimeSpan? HeartbeatMin { get; init; }
    /// <summary>Interval until the client names one.</summary>
    [Setting("1s", "1d", WholeSeconds = true)]
    public TimeSpan? HeartbeatDefault { get; init; }
    /// <summary>Longest heartbeat interval.</summary>
    [Setting("1s", "1d", WholeSeconds = true)]
    public TimeSpan? HeartbeatMax { get; init; }
    /// <summary>Added to interval × 1.25 for the deadline.</summary>
    [Setting("0s", "1h")]
    public TimeSpan? HeartbeatSlack { get; init; }

    /// <summary>Time from accept to login.</summary>
    [Setting("1ms", "5m")]
    public TimeSpan? LoginTimeout { get; init; }
    /// <summary>Most connections.</summary>
    [Setting("1", "2000000000")]
    public int? MaxConnections { get; init; }
    /// <summary>Most logins at once.</summary>
    [Setting("1", "1000000", NeedsRestart = true)]
    public int? MaxConcurrentLogins { get; init; }
    /// <summary>Clients refused for load return within this window.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? RetryWindow { get; init; }
    /// <summary>Clients of a draining room return elsewhere within this window.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? DrainWindow { get; init; }
    /// <summary>How long the state of a lost connection is kept.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? GracePeriod { get; init; }
    /// <summary>Most lost connections kept per shard.</summary>
    [Setting("0", "2000000000")]
    public int? MaxDetachedPerShard { get; init; }

    /// <summary>Longest time without an ACK while messages are in flight.</summary>
    [Setting("2s", "1h")]
    public TimeSpan? AckTimeout { get; init; }
    /// <summary>Longest time without progress of output that waits.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? SlowConsumerTimeout { get; init; }
    /// <summary>The client acks at the latest after so many messages.</summary>
    [Setting("1", "4096", NeedsRestart = true)]
    public int? AckCount { get; init; }
    /// <summary>Most messages of a stream in flight.</summary>
    [Setting("1", "4096", NeedsRestart = true)]
    public int? WindowMessages { get; init; }
    /// <summary>Most payload bytes of a stream in flight.</summary>
    [Setting("1", "64MiB", Bytes = true, NeedsRestart = true)]
    public int? WindowBytes { get; init; }

    /// <summary>A shard's acks go to the store at the latest after this time.</summary>
    [Setting("1ms", "1m")]
    public TimeSpan? AckBatchDelay { get; init; }
    /// <summary>Pause before a store that was away is asked again.</summary>
    [Setting("1ms", "1m")]
    public TimeSpan? StoreRetryDelay { get; init; }
    /// <summary>Most reads from the stores at once, per shard.</summary>
    [Setting("1", "100000")]
    public int? MaxConcurrentPulls { get; init; }
    /// <summary>Time between two position checks of a session.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? PositionCheckInterval { get; init; }
    /// <summary>Mailboxes per call of the position check.</summary>
    [Setting("1", "100000")]
    public int? PositionCheckBatch { get; init; }
    /// <summary>Payload bytes that deliver calls may hold at once.</summary>
    [Setting("1", "64GiB", Bytes = true)]
    public long? MaxDeliverBytes { get; init; }

    /// <summary>Frames per second of a connection, on average.</summary>
    [Setting("1", "1000000")]
    public int? FramesPerSecond { get; init; }
    /// <summary>Frames of a connection at once.</summary>
    [Setting("1", "1000000")]
    public int? FrameBurst { get; init; }
    /// <summary>Most upstream messages of a connection that wait.</summary>
    [Setting("1", "10000")]
    public int? MaxUpstreamMessages { get; init; }
    /// <summary>Most payload bytes of them.</summary>
    [Setting("1", "64MiB", Bytes = true)]
    public int? MaxUpstreamBytes { get; init; }
    /// <summary>Sessions served per turn by an unlimited broadcast.</summary>
    [Setting("1", "100000")]
    public int? FanoutChunk { get; init; }
    /// <summary>Bytes of broadcasts kept for sessions that catch up.</summary>
    [Setting("0", "64GiB", Bytes = true)]
    public long? BroadcastCacheBytes { get; init; }
    /// <summary>How long a broadcast is served from that cache.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? BroadcastCacheAge { get; init; }

    /// <summary>Connections per second from one address, 0 = unlimited.</summary>
    [Setting("0", "1000000", NeedsRestart = true)]
    public int? ConnectionsPerSecondPerAddress { get; init; }
    /// <summary>Connections at once from one address.</summary>
    [Setting("1", "1000000", NeedsRestart = true)]
    public int? ConnectionBurstPerAddress { get; init; }
    /// <summary>Networks that may connect; empty = all.</summary>
    [Setting(MaxItems = 1_000, NeedsRestart = true)]
    public IReadOnlyList<IPNetwork>? AllowedNetworks { get; init; }
    /// <summary>Networks that may not connect.</summary>
    [Setting(MaxItems = 1_000, NeedsRestart = true)]
    public IReadOnlyList<IPNetwork>? DeniedNetworks { get; init; }

    void ISection.Check(SectionCheck check)
    {
        check.Ascending(("heartbeatMin", HeartbeatMin), ("heartbeatDefault", HeartbeatDefault), ("heartbeatMax", HeartbeatMax));
        check.Ascending(("ackCount", AckCount), ("windowMessages", WindowMessages));
        check.Distinct("allowedNetworks", AllowedNetworks);
        check.Distinct("deniedNetworks", DeniedNetworks);
    }
}
