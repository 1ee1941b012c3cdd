using System.Net;

namespace PushSystem.Cluster.Configuration;

/// <summary>Settings of the dispatchers; all of them are hot. Names are those of DispatcherOptions. Immutable.</summary>
public sealed record DispatcherSection : ISection
{
    /// <summary>Where networks are: the longest prefix that holds a client's address says its region and provider.</summary>
    [Setting(MaxItems = 100_000)]
    public IReadOnlyList<NetworkLocation>? Networks { get; init; }

    /// <summary>Data centres in the order in which they serve clients whose own one failed.</summary>
    [Setting(MaxItems = 64)]
    public IReadOnlyList<string>? FallbackDataCentres { get; init; }

    /// <summary>Proxies whose X-Forwarded-For is believed.</summary>
    [Setting(MaxItems = 1_000)]
    public IReadOnlyList<IPNetwork>? TrustedProxies { get; init; }

    /// <summary>The blue-green groups that get clients.</summary>
    [Setting]
    public ActiveGroups? ActiveGroup { get; init; }

    /// <summary>Most addresses in an answer.</summary>
    [Setting("1", "16")]
    public int? MaxAddresses { get; init; }

    /// <summary>How long a client may use an answer.</summary>
    [Setting("1s", "1d", WholeSeconds = true)]
    public TimeSpan? AddressTimeToLive { get; init; }

    /// <summary>Shortest heartbeat interval.</summary>
    [Setting("1s", "1d", WholeSeconds = true)]
    public TimeSpan? HeartbeatMin { get; init; }

    /// <summary>Heartbeat interval to begin with.</summary>
    [Setting("1s", "1d", WholeSeconds = true)]
    public TimeSpan? HeartbeatDefault { get; init; }

    /// <summary>Longest heartbeat interval.</summary>
    [Setting("1s", "1d", WholeSeconds = true)]
    public TimeSpan? HeartbeatMax { get; init; }

    /// <summary>First wait before a reconnect.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? BackoffBase { get; init; }

    /// <summary>Longest wait before a reconnect.</summary>
    [Setting("1ms", "1h")]
    public TimeSpan? BackoffCap { get; init; }

    /// <summary>A connection that lived this long makes the next wait the first again.</summary>
    [Setting("1s", "1h", WholeSeconds = true)]
    public TimeSpan? BackoffReset { get; init; }

    /// <summary>A room above this share of its capacity gets no clients while another is below.</summary>
    [Setting("0.1", "1")]
    public double? FullShare { get; init; }

    /// <summary>So many times the fair number of connections make a room hot.</summary>
    [Setting("1.05", "10")]
    public double? HotFactor { get; init; }

    /// <summary>Connections up to which a room is never hot.</summary>
    [Setting("0", "2000000000")]
    public int? HotFrom { get; init; }

    /// <summary>How long a view of the rooms is used.</summary>
    [Setting("1ms", "1m")]
    public TimeSpan? ViewAge { get; init; }

    /// <summary>What a client waits when there is no room.</summary>
    [Setting("1s", "10m")]
    public TimeSpan? NoRoomRetry { get; init; }

    /// <summary>Requests per second of one client address, 0 = unlimited.</summary>
    [Setting("0", "1000000")]
    public double? ClientRate { get; init; }

    /// <summary>Requests that one client address may send at once.</summary>
    [Setting("1", "1000000")]
    public double? ClientBurst { get; init; }

    /// <summary>Client addresses that are told apart.</summary>
    [Setting("1", "10000000")]
    public int? MaxClients { get; init; }

    void ISection.Check(SectionCheck check)
    {
        check.Ascending(("heartbeatMin", HeartbeatMin), ("heartbeatDefault", HeartbeatDefault), ("heartbeatMax", HeartbeatMax));
        check.Ascending(("backoffBase", BackoffBase), ("backoffCap", BackoffCap));
        check.Distinct("fallbackDataCentres", FallbackDataCentres);
        check.Distinct("trustedProxies", TrustedProxies);
        check.Distinct("networks", Networks?.Select(network => network.Cidr).ToArray());
        for (var i = 0; i < (Networks?.Count ?? 0); i++)
        {
            if (Networks![i] is { Region.Length: 0, Isp.Length: 0 })
                check.Fail($"networks[{i}]", "has neither region nor isp");
        }
    }
}

/// <summary>A network and where it is; "" = not known. Immutable.</summary>
public sealed record NetworkLocation
{
    /// <summary>The network, IPv4 or IPv6.</summary>
    [Setting(Required = true)]
    public IPNetwork Cidr { get; init; }
    /// <summary>Region.</summary>
    [Setting(MaxBytes = 32)]
    public string Region { get; init; } = "";
    /// <summary>Internet provider.</summary>
    [Setting(MaxBytes = 32)]
    public string Isp { get; init; } = "";
}

/// <summary>Which blue-green groups get clients.</summary>
public enum ActiveGroups
{
    /// <summary>Group A.</summary>
    A,
    /// <summary>Group B.</summary>
    B,
    /// <summary>Both.</summary>
    Both,
}
