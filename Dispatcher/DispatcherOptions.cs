using System.ComponentModel.DataAnnotations;
using System.Net;
using PushSystem.Cluster.Configuration;
using PushSystem.Protocol;

namespace PushSystem.Dispatcher;

/// <summary>
/// Settings of the dispatcher. Those that the cluster's configuration holds too (its section "dispatcher", same names) change while
/// it runs: <see cref="DispatcherSettings"/>.
/// </summary>
public sealed class DispatcherOptions : IValidatableObject
{
    /// <summary>Most addresses in an answer. Default 5.</summary>
    [Range(1, ProtocolLimits.MaxAddresses)]
    public int MaxAddresses { get; set; } = 5;

    /// <summary>How long a client may use an answer; whole seconds. Default 300 s.</summary>
    public TimeSpan AddressTimeToLive { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>The blue-green group that gets clients, "A", "B" or "both". Default "A".</summary>
    [RegularExpression("^(A|B|both)$")]
    public string ActiveGroup { get; set; } = "A";

    /// <summary>Where networks are; the longest prefix that holds a client's address counts. Default none.</summary>
    public IReadOnlyList<NetworkLocation> Networks { get; set; } = [];

    /// <summary>Data centres in the order in which they serve clients whose own one failed; those that are not named come last. Default none.</summary>
    public IReadOnlyList<string> FallbackDataCentres { get; set; } = [];

    /// <summary>Proxies whose X-Forwarded-For is believed. Default none: the connection's address counts.</summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; set; } = [];

    /// <summary>Shortest heartbeat interval to begin with; whole seconds. Default 30 s.</summary>
    public TimeSpan HeartbeatMin { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest heartbeat interval; whole seconds. Default 15 min.</summary>
    public TimeSpan HeartbeatMax { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>Heartbeat interval to begin with; whole seconds. Default 4 min.</summary>
    public TimeSpan HeartbeatDefault { get; set; } = TimeSpan.FromMinutes(4);

    /// <summary>First wait before a reconnect. Default 1 s.</summary>
    public TimeSpan BackoffBase { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest wait before a reconnect. Default 2 min.</summary>
    public TimeSpan BackoffCap { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>A connection that lived this long makes the next wait the first again; whole seconds. Default 10 s.</summary>
    public TimeSpan BackoffReset { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>A room above this share of its capacity gets no clients while another is below. Default 0.95.</summary>
    [Range(0.1, 1.0)]
    public double FullShare { get; set; } = 0.95;

    /// <summary>
    /// A room with this many times the connections that its weight entitles it to gets half as many clients, with twice as many times a
    /// quarter. Default 1.25.
    /// </summary>
    [Range(1.05, 10.0)]
    public double HotFactor { get; set; } = 1.25;

    /// <summary>Connections up to which a room is never called hot. Default 1,000.</summary>
    [Range(0, int.MaxValue)]
    public int HotFrom { get; set; } = 1_000;

    /// <summary>How long a view of the rooms is used before it is made anew. Default 250 ms.</summary>
    public TimeSpan ViewAge { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>What a client is told to wait when there is no room. Default 5 s.</summary>
    public TimeSpan NoRoomRetry { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Requests per second of one client address (IPv6: one /64), 0 = unlimited. Default 20.</summary>
    [Range(0, 1_000_000)]
    public double ClientRate { get; set; } = 20;

    /// <summary>Requests that one client address may send at once. Default 100: many devices share an address.</summary>
    [Range(1, 1_000_000)]
    public double ClientBurst { get; set; } = 100;

    /// <summary>Client addresses that are told apart at once; those beyond share one allowance. Default 100,000.</summary>
    [Range(1, 10_000_000)]
    public int MaxClients { get; set; } = 100_000;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (AddressTimeToLive < TimeSpan.FromSeconds(1) || AddressTimeToLive > TimeSpan.FromDays(1))
            yield return new ValidationResult("must be 1 second to 1 day", [nameof(AddressTimeToLive)]);
        if (HeartbeatMin < TimeSpan.FromSeconds(1) || HeartbeatMin > HeartbeatDefault)
            yield return new ValidationResult($"must be 1 second to {nameof(HeartbeatDefault)}", [nameof(HeartbeatMin)]);
        if (HeartbeatDefault > HeartbeatMax)
            yield return new ValidationResult($"must be at most {nameof(HeartbeatMax)}", [nameof(HeartbeatDefault)]);
        if (HeartbeatMax > TimeSpan.FromSeconds(ProtocolLimits.MaxIntervalSeconds))
            yield return new ValidationResult($"must be at most {ProtocolLimits.MaxIntervalSeconds} seconds", [nameof(HeartbeatMax)]);
        if (BackoffBase <= TimeSpan.Zero || BackoffBase > BackoffCap)
            yield return new ValidationResult($"must be above 0 and at most {nameof(BackoffCap)}", [nameof(BackoffBase)]);
        if (BackoffCap > TimeSpan.FromHours(1))
            yield return new ValidationResult("must be at most 1 hour", [nameof(BackoffCap)]);
        if (BackoffReset < TimeSpan.FromSeconds(1) || BackoffReset > TimeSpan.FromHours(1))
            yield return new ValidationResult("must be 1 second to 1 hour", [nameof(BackoffReset)]);
        if (ViewAge <= TimeSpan.Zero || ViewAge > TimeSpan.FromMinutes(1))
            yield return new ValidationResult("must be above 0 and at most 1 minute", [nameof(ViewAge)]);
        if (NoRoomRetry < TimeSpan.FromSeconds(1) || NoRoomRetry > TimeSpan.FromMinutes(10))
            yield return new ValidationResult("must be 1 second to 10 minutes", [nameof(NoRoomRetry)]);
    }
}
