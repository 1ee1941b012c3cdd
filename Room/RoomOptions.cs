using System.Net;
using PushSystem.Protocol;

namespace PushSystem.Room;

/// <summary>
/// Settings of a room, checked by <see cref="Validate"/>. The room works with a copy; <see cref="RoomNode.Apply"/> puts another one in its
/// place. Those marked "start only" count from the next start of the process.
/// </summary>
public sealed class RoomOptions
{
    /// <summary>What small frames keep of a connection's output, bytes.</summary>
    internal const int OutputLane = 16 * 1024;

    /// <summary>Time from accept to a complete LOGIN or RESUME. Default 10 s.</summary>
    public TimeSpan LoginTimeout { get; set; } = TimeSpan.FromSeconds(10);
    /// <summary>Longest frame body before login, bytes. Default 8 KiB.</summary>
    public int LoginBodyBytes { get; set; } = ProtocolLimits.DefaultLoginBody;
    /// <summary>Longest frame body of a client after login, bytes; told in LOGIN_OK. Default 66 KiB.</summary>
    public int ClientBodyBytes { get; set; } = ProtocolLimits.DefaultClientBody;
    /// <summary>Most bindings of one connection. Default and most 16.</summary>
    public int MaxBindings { get; set; } = ProtocolLimits.MaxBindings;
    /// <summary>Most connections of the room; further ones get ERROR Busy. Default 1,000,000.</summary>
    public int MaxConnections { get; set; } = 1_000_000;
    /// <summary>Most LOGIN frames that wait for registry and mailboxes at once; further ones get ERROR Busy. Default 1,024.</summary>
    public int MaxConcurrentLogins { get; set; } = 1_024;
    /// <summary>Clients that are refused for load return at a random moment within this window. Default 30 s.</summary>
    public TimeSpan RetryWindow { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>How long the last frames of a connection that is being closed may take to leave. Default 2 s.</summary>
    public TimeSpan CloseLinger { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Shortest heartbeat interval. Default 10 s.</summary>
    public TimeSpan HeartbeatMin { get; set; } = TimeSpan.FromSeconds(10);
    /// <summary>Longest heartbeat interval. Default 30 min.</summary>
    public TimeSpan HeartbeatMax { get; set; } = TimeSpan.FromMinutes(30);
    /// <summary>Interval until the client names one. Default 4 min.</summary>
    public TimeSpan HeartbeatDefault { get; set; } = TimeSpan.FromMinutes(4);
    /// <summary>Added to interval × 1.25 for the deadline. Default 30 s.</summary>
    public TimeSpan HeartbeatSlack { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The client acks at the latest after so many messages. Default 16.</summary>
    public int AckCount { get; set; } = 16;
    /// <summary>The client acks at the latest this long after a message. Default 1 s.</summary>
    public TimeSpan AckDelay { get; set; } = TimeSpan.FromSeconds(1);
    /// <summary>Most messages of a stream sent and not acknowledged. Default 64.</summary>
    public int WindowMessages { get; set; } = 64;
    /// <summary>Most payload bytes of a stream sent and not acknowledged; one message may always be in flight. Default 256 KiB.</summary>
    public int WindowBytes { get; set; } = 256 * 1024;
    /// <summary>Longest time without an ACK while messages are in flight. Default 30 s.</summary>
    public TimeSpan AckTimeout { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>Longest time without progress of output that waits. Default 30 s.</summary>
    public TimeSpan SlowConsumerTimeout { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>Messages are held back while more output waits for a connection, so that small frames keep a lane. Must stay below
    /// the transport's MaxOutputBytes by at least 16 KiB. Default 128 KiB.</summary>
    public int MaxDataOutputBytes { get; set; } = 128 * 1024;

    /// <summary>A shard's acks go to the store at the latest with so many streams. Default 256.</summary>
    public int AckBatchCount { get; set; } = 256;
    /// <summary>A shard's acks go to the store at the latest after this time, rounded up to the wheel's tick. Default 50 ms.</summary>
    public TimeSpan AckBatchDelay { get; set; } = TimeSpan.FromMilliseconds(50);
    /// <summary>Most streams of a shard whose acks wait for the store; further acks are not told to it. Default 65,536.</summary>
    public int AckQueueLimit { get; set; } = 65_536;
    /// <summary>Pause before a store that was away is asked again. Default 1 s.</summary>
    public TimeSpan StoreRetryDelay { get; set; } = TimeSpan.FromSeconds(1);
    /// <summary>Longest time that a call to a store, the registry or the coordinator may take; then it counts as away. Default 5 s.</summary>
    public TimeSpan StoreCallTimeout { get; set; } = TimeSpan.FromSeconds(5);
    /// <summary>How often the registry is asked whether it lost data, give or take a quarter. Default 1 s.</summary>
    public TimeSpan RegistryPollInterval { get; set; } = TimeSpan.FromSeconds(1);
    /// <summary>Most sessions per second that are bound again after a loss of the registry's data or of the incarnation. Default 50,000.</summary>
    public int ReflushRate { get; set; } = 50_000;
    /// <summary>Most reads from the stores at once, per shard; further streams wait for their turn. Default 128.</summary>
    public int MaxConcurrentPulls { get; set; } = 128;
    /// <summary>Time between two position checks of a session. Default 5 s.</summary>
    public TimeSpan PositionCheckInterval { get; set; } = TimeSpan.FromSeconds(5);
    /// <summary>Mailboxes per call of the position check. Default 512.</summary>
    public int PositionCheckBatch { get; set; } = 512;

    /// <summary>How long the state of a lost connection is kept for RESUME. Default 30 s.</summary>
    public TimeSpan GracePeriod { get; set; } = TimeSpan.FromSeconds(30);
    /// <summary>How long a resume ticket works at most while its connection lives. Default 7 days; start only.</summary>
    public TimeSpan ResumeTicketLifetime { get; set; } = TimeSpan.FromDays(7);
    /// <summary>Most lost connections kept per shard; beyond it the oldest ends early. Default 100,000.</summary>
    public int MaxDetachedPerShard { get; set; } = 100_000;

    /// <summary>Deliver calls at once; beyond it they wait. Default 1,024; start only.</summary>
    public int MaxDeliverCalls { get; set; } = 1_024;
    /// <summary>Payload bytes that deliver calls may hold at once; beyond it sessions read the mailbox instead. Default 64 MiB.</summary>
    public long MaxDeliverBytes { get; set; } = 64L * 1024 * 1024;

    /// <summary>Most upstream messages of a connection that wait to be stored; then reading pauses. Default 16.</summary>
    public int MaxUpstreamMessages { get; set; } = 16;
    /// <summary>Most payload bytes of them; one message is always taken. Default 128 KiB.</summary>
    public int MaxUpstreamBytes { get; set; } = 128 * 1024;
    /// <summary>Frames per second that a connection may send on average. Default 100.</summary>
    public int FramesPerSecond { get; set; } = 100;
    /// <summary>Frames that a connection may send at once. Default 500.</summary>
    public int FrameBurst { get; set; } = 500;

    /// <summary>Sessions served per turn of a shard by an unlimited broadcast. Default 512.</summary>
    public int FanoutChunk { get; set; } = 512;
    /// <summary>Broadcasts whose progress the room remembers. Default 1,024.</summary>
    public int MaxFanouts { get; set; } = 1_024;
    /// <summary>Bytes of broadcasts kept for sessions that catch up. Default 16 MiB.</summary>
    public long BroadcastCacheBytes { get; set; } = 16L * 1024 * 1024;
    /// <summary>How long a broadcast is served from that cache without asking the log again. Default 10 s.</summary>
    public TimeSpan BroadcastCacheAge { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Presence changes that wait for the coordinator; further ones are dropped and counted. Default 100,000;
    /// start only.</summary>
    public int PresenceQueueLimit { get; set; } = 100_000;
    /// <summary>Ended sessions that wait for the registry; beyond it the oldest is dropped and counted (its entry is found stale
    /// later). Default 1,000,000; start only.</summary>
    public int UnbindQueueLimit { get; set; } = 1_000_000;

    /// <summary>Networks (CIDR) that may connect; empty = all. Default empty.</summary>
    public IList<IPNetwork> AllowedNetworks { get; set; } = [];
    /// <summary>Networks (CIDR) that may not connect, before <see cref="AllowedNetworks"/>. Default empty.</summary>
    public IList<IPNetwork> DeniedNetworks { get; set; } = [];
    /// <summary>Connections per second from one address (IPv6: one /64); 0 = unlimited. Default 0.</summary>
    public int ConnectionsPerSecondPerAddress { get; set; }
    /// <summary>Connections at once from one address that the rate allows. Default 200.</summary>
    public int ConnectionBurstPerAddress { get; set; } = 200;
    /// <summary>Addresses whose rate is remembered. Default 65,536; start only.</summary>
    public int MaxTrackedAddresses { get; set; } = 65_536;

    /// <summary>"host:port" that clients should try first next time, best first, at most 16. Default none.</summary>
    public IList<string> Addresses { get; set; } = [];
    /// <summary>How long those may be used. Default 5 min.</summary>
    public TimeSpan AddressTtl { get; set; } = TimeSpan.FromMinutes(5);
    /// <summary>Clients of a draining room return elsewhere at a random moment within this window. Default 10 s.</summary>
    public TimeSpan DrainWindow { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Throws <see cref="ArgumentException"/> naming the setting and its limit.</summary>
    public void Validate()
    {
        Positive(LoginTimeout, nameof(LoginTimeout), TimeSpan.FromMinutes(5));
        Range(LoginBodyBytes, nameof(LoginBodyBytes), 256, ProtocolLimits.MaxEncodableBody);
        Range(ClientBodyBytes, nameof(ClientBodyBytes), 256, ProtocolLimits.MaxEncodableBody);
        Range(MaxBindings, nameof(MaxBindings), 1, ProtocolLimits.MaxBindings);
        Range(MaxConnections, nameof(MaxConnections), 1, int.MaxValue);
        Range(MaxConcurrentLogins, nameof(MaxConcurrentLogins), 1, int.MaxValue);
        Positive(RetryWindow, nameof(RetryWindow), TimeSpan.FromHours(1));
        Positive(CloseLinger, nameof(CloseLinger), TimeSpan.FromMinutes(1));
        WholeSeconds(HeartbeatMin, nameof(HeartbeatMin));
        WholeSeconds(HeartbeatMax, nameof(HeartbeatMax));
        WholeSeconds(HeartbeatDefault, nameof(HeartbeatDefault));
        Check(HeartbeatMin <= HeartbeatDefault && HeartbeatDefault <= HeartbeatMax, nameof(HeartbeatDefault),
            "HeartbeatMin <= HeartbeatDefault <= HeartbeatMax is needed");
        Check(HeartbeatSlack >= TimeSpan.Zero && HeartbeatSlack <= TimeSpan.FromHours(1), nameof(HeartbeatSlack), "0 to 1 h is allowed");
        Range(AckCount, nameof(AckCount), 1, 10_000);
        Positive(AckDelay, nameof(AckDelay), TimeSpan.FromMinutes(1));
        Range(WindowMessages, nameof(WindowMessages), 1, 4_096);
        Check(AckCount <= WindowMessages, nameof(AckCount), "at most WindowMessages is allowed, or clients would never ack");
        Range(WindowBytes, nameof(WindowBytes), 1, 64 * 1024 * 1024);
        Positive(AckTimeout, nameof(AckTimeout), TimeSpan.FromHours(1));
        Check(AckTimeout > AckDelay, nameof(AckTimeout), "more than AckDelay is needed");
        Positive(SlowConsumerTimeout, nameof(SlowConsumerTimeout), TimeSpan.FromHours(1));
        Range(MaxDataOutputBytes, nameof(MaxDataOutputBytes), 1_024, 64 * 1024 * 1024);
        Range(AckBatchCount, nameof(AckBatchCount), 1, 100_000);
        Positive(AckBatchDelay, nameof(AckBatchDelay), TimeSpan.FromMinutes(1));
        Range(AckQueueLimit, nameof(AckQueueLimit), AckBatchCount, int.MaxValue);
        Positive(StoreRetryDelay, nameof(StoreRetryDelay), TimeSpan.FromMinutes(1));
        Positive(StoreCallTimeout, nameof(StoreCallTimeout), TimeSpan.FromMinutes(5));
        Positive(RegistryPollInterval, nameof(RegistryPollInterval), TimeSpan.FromMinutes(10));
        Range(ReflushRate, nameof(ReflushRate), 1, 10_000_000);
        Range(MaxConcurrentPulls, nameof(MaxConcurrentPulls), 1, 100_000);
        Positive(PositionCheckInterval, nameof(PositionCheckInterval), TimeSpan.FromHours(1));
        Range(PositionCheckBatch, nameof(PositionCheckBatch), 1, 100_000);
        Positive(GracePeriod, nameof(GracePeriod), TimeSpan.FromHours(1));
        Positive(ResumeTicketLifetime, nameof(ResumeTicketLifetime), TimeSpan.FromDays(365));
        Range(MaxDetachedPerShard, nameof(MaxDetachedPerShard), 0, int.MaxValue);
        Range(MaxDeliverCalls, nameof(MaxDeliverCalls), 1, int.MaxValue);
        Check(MaxDeliverBytes > 0, nameof(MaxDeliverBytes), "at least 1 is needed");
        Range(MaxUpstreamMessages, nameof(MaxUpstreamMessages), 1, 10_000);
        Range(MaxUpstreamBytes, nameof(MaxUpstreamBytes), 1, 64 * 1024 * 1024);
        Range(FramesPerSecond, nameof(FramesPerSecond), 1, 1_000_000);
        Range(FrameBurst, nameof(FrameBurst), 1, 1_000_000);
        Range(FanoutChunk, nameof(FanoutChunk), 1, 100_000);
        Range(MaxFanouts, nameof(MaxFanouts), 1, 1_000_000);
        Check(BroadcastCacheBytes >= 0, nameof(BroadcastCacheBytes), "0 or more is needed");
        Positive(BroadcastCacheAge, nameof(BroadcastCacheAge), TimeSpan.FromHours(1));
        Range(PresenceQueueLimit, nameof(PresenceQueueLimit), 1, int.MaxValue);
        Range(UnbindQueueLimit, nameof(UnbindQueueLimit), 1, int.MaxValue);
        Range(ConnectionsPerSecondPerAddress, nameof(ConnectionsPerSecondPerAddress), 0, 1_000_000);
        Range(ConnectionBurstPerAddress, nameof(ConnectionBurstPerAddress), 1, 1_000_000);
        Range(MaxTrackedAddresses, nameof(MaxTrackedAddresses), 4, 16 * 1024 * 1024);
        Check(Addresses.Count <= ProtocolLimits.MaxAddresses, nameof(Addresses), $"at most {ProtocolLimits.MaxAddresses} are allowed");
        foreach (var address in Addresses)
        {
            Check(System.Text.Encoding.UTF8.GetByteCount(address) is > 0 and <= ProtocolLimits.MaxAddressBytes, nameof(Addresses),
                $"each needs 1 to {ProtocolLimits.MaxAddressBytes} bytes");
        }
        Positive(AddressTtl, nameof(AddressTtl), TimeSpan.FromDays(365));
        Positive(DrainWindow, nameof(DrainWindow), TimeSpan.FromHours(1));
    }

    /// <summary>
    /// As <see cref="Validate"/>, and that messages leave small frames a lane in an output of <paramref name="maxOutputBytes"/>.
    /// </summary>
    internal void Validate(int maxOutputBytes)
    {
        Validate();
        Check(MaxDataOutputBytes + (long)OutputLane <= maxOutputBytes, nameof(MaxDataOutputBytes),
            $"at most {maxOutputBytes - OutputLane} is allowed, {OutputLane} less than the transport's MaxOutputBytes");
    }

    internal RoomOptions Copy()
    {
        var copy = (RoomOptions)MemberwiseClone();
        copy.AllowedNetworks = [.. AllowedNetworks];
        copy.DeniedNetworks = [.. DeniedNetworks];
        copy.Addresses = [.. Addresses];
        return copy;
    }

    /// <summary>Names of the settings that differ and count from a start only.</summary>
    internal List<string> StartOnlyChanges(RoomOptions next)
    {
        var names = new List<string>();
        Note(ResumeTicketLifetime == next.ResumeTicketLifetime, nameof(ResumeTicketLifetime));
        Note(MaxDeliverCalls == next.MaxDeliverCalls, nameof(MaxDeliverCalls));
        Note(PresenceQueueLimit == next.PresenceQueueLimit, nameof(PresenceQueueLimit));
        Note(UnbindQueueLimit == next.UnbindQueueLimit, nameof(UnbindQueueLimit));
        Note(MaxTrackedAddresses == next.MaxTrackedAddresses, nameof(MaxTrackedAddresses));
        return names;

        void Note(bool same, string name)
        {
            if (!same)
                names.Add(name);
        }
    }

    private static void WholeSeconds(TimeSpan value, string name) => Check(
        value >= TimeSpan.FromSeconds(1) && value <= TimeSpan.FromSeconds(ProtocolLimits.MaxIntervalSeconds) && value.Ticks % TimeSpan.TicksPerSecond == 0,
        name, $"whole seconds from 1 to {ProtocolLimits.MaxIntervalSeconds} are allowed");

    private static void Positive(TimeSpan value, string name, TimeSpan max) =>
        Check(value > TimeSpan.Zero && value <= max, name, $"more than 0 and at most {max} is allowed");

    private static void Range(int value, string name, int min, int max) =>
        Check(value >= min && value <= max, name, $"{min} to {max} are allowed");

    private static void Check(bool condition, string name, string rule)
    {
        if (!condition)
            throw new ArgumentException($"Room:{name} is out of range: {rule}", name);
    }
}
