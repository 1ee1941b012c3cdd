using System.Text;
using PushSystem.Dispatcher.Networks;

namespace PushSystem.Dispatcher;

/// <summary>Settings in the form in which requests need them. Immutable; any thread.</summary>
internal sealed class DispatcherSnapshot
{
    private readonly byte[] _tailA;
    private readonly byte[] _tailB;
    private readonly Dictionary<string, int> _fallback = new(StringComparer.Ordinal);

    /// <summary>Options that nobody changes any more.</summary>
    public DispatcherSnapshot(DispatcherOptions options)
    {
        Options = options;
        Locations = new LocationTable(options.Networks);
        TrustedProxies = new NetworkTable(options.TrustedProxies);
        foreach (var dataCentre in options.FallbackDataCentres)
            _fallback.TryAdd(dataCentre, _fallback.Count);
        (_tailA, _tailB) = (Tail(options, "A"), Tail(options, "B"));
    }

    public DispatcherOptions Options { get; }

    public LocationTable Locations { get; }

    public NetworkTable TrustedProxies { get; }

    public bool TakesGroup(string group) => Options.ActiveGroup == "both" ? group is "A" or "B" : group == Options.ActiveGroup;

    /// <summary>Place of a data centre in the order of those that serve when others failed; those that are not named share the last.</summary>
    public int FallbackOrder(string dataCentre) => _fallback.GetValueOrDefault(dataCentre, _fallback.Count);

    /// <summary>The answer between its addresses and the server's time, for clients of a group.</summary>
    public ReadOnlySpan<byte> TailOf(bool isGroupB) => isGroupB ? _tailB : _tailA;

    private static byte[] Tail(DispatcherOptions options, string group) => Encoding.ASCII.GetBytes(FormattableString.Invariant(
        $$"""
        ],"ttlSeconds":{{(long)options.AddressTimeToLive.TotalSeconds}},"group":"{{group}}","heartbeat":{"minSeconds":{{(long)options.HeartbeatMin.TotalSeconds}},"maxSeconds":{{(long)options.HeartbeatMax.TotalSeconds}},"defaultSeconds":{{(long)options.HeartbeatDefault.TotalSeconds}}},"backoff":{"baseMilliseconds":{{(long)options.BackoffBase.TotalMilliseconds}},"capMilliseconds":{{(long)options.BackoffCap.TotalMilliseconds}},"resetSeconds":{{(long)options.BackoffReset.TotalSeconds}}},"serverTime":"
        """));
}
