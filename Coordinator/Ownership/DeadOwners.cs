using PushSystem.Contracts;

namespace PushSystem.Coordinator.Ownership;

/// <summary>
/// Knows which owners are dead although their token is higher than ours, which a claim alone cannot tell from "not heard of yet":
/// those that were seen alive and are gone (an incarnation never comes back), and those that were not heard of for long. Not
/// thread-safe: used under the lock of the claims.
/// </summary>
internal sealed class DeadOwners(IPeers peers, TimeProvider time, TimeSpan patience)
{
    private readonly HashSet<long> _seen = [];
    private readonly Dictionary<long, long> _unheardSince = [];

    /// <summary>To be called with every look at the peers.</summary>
    public void Note() => _seen.UnionWith(peers.Live);

    public bool IsDead(long owner)
    {
        if (peers.Live.Contains(owner))
            return false;
        if (_seen.Contains(owner))
            return true;
        if (!_unheardSince.TryGetValue(owner, out var since))
            _unheardSince.Add(owner, since = time.GetTimestamp());
        return time.GetElapsedTime(since) >= patience;
    }
}
