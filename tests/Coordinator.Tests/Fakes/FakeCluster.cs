using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Tests.Fakes;

/// <summary>Claims and peers of several coordinators, as etcd and the store would show them; a test says who lives and who comes first.</summary>
public sealed class FakeCluster : IWorkClaims
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _claims = [];
    private readonly List<FakePeer> _peers = [];
    private long _last = 100;

    public bool ClaimsAway { get; set; }

    /// <summary>Who comes first, by name; a name that does not live leaves it to the next of those that do.</summary>
    public string First { get; set; } = "one";

    public long OwnerOf(string app)
    {
        lock (_lock)
            return _claims.GetValueOrDefault("events/" + app);
    }

    public FakePeer Join(string name)
    {
        lock (_lock)
        {
            var peer = new FakePeer(this, name, ++_last);
            _peers.Add(peer);
            return peer;
        }
    }

    public void Elect(string name)
    {
        First = name;
        Tell();
    }

    /// <summary>Its key is gone from etcd; whether it knows is another matter, see <see cref="FakePeer.Self"/>.</summary>
    public void Remove(FakePeer peer)
    {
        lock (_lock)
            _peers.Remove(peer);
        Tell();
    }

    /// <summary>A lease made anew: a higher incarnation.</summary>
    public void Renew(FakePeer peer)
    {
        lock (_lock)
        {
            peer.Incarnation = ++_last;
            peer.Self = _last;
            if (!_peers.Contains(peer))
                _peers.Add(peer);
        }
        Tell();
    }

    public IReadOnlyCollection<long> Live
    {
        get
        {
            lock (_lock)
                return [.. _peers.Select(peer => peer.Incarnation)];
        }
    }

    public bool IsFirst(FakePeer peer)
    {
        lock (_lock)
            return (_peers.Find(other => other.Name == First) ?? _peers.FirstOrDefault()) == peer;
    }

    public void Tell()
    {
        FakePeer[] peers;
        lock (_lock)
            peers = [.. _peers];
        foreach (var peer in peers)
            peer.Tell();
    }

    public ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken)
    {
        if (ClaimsAway)
            throw new StoreUnavailableException("the test took the claims away");
        lock (_lock)
        {
            var owner = _claims.GetValueOrDefault(work);
            if (owner != 0 && owner != token && (owner > token || live.Contains(owner)))
                return new(owner);
            _claims[work] = token;
            return new(token);
        }
    }

    public ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_claims.GetValueOrDefault(work) == token)
                _claims.Remove(work);
        }
        return default;
    }
}

/// <summary>One process's view.</summary>
public sealed class FakePeer(FakeCluster cluster, string name, long incarnation) : IPeers, ICoordinatorPeers
{
    public string Name { get; } = name;
    public long Incarnation { get; set; } = incarnation;
    public long Self { get; set; } = incarnation;
    public IReadOnlyCollection<long> Live => cluster.Live;
    public ConcurrentQueue<string> Wakes { get; } = new();
    public Action<string>? OnWake { get; set; }

    public event Action? Changed;

    public bool IsFirstFor(string work) => cluster.IsFirst(this);

    public void Tell() => Changed?.Invoke();

    public ValueTask WakeAsync(string app, CancellationToken cancellationToken)
    {
        Wakes.Enqueue(app);
        OnWake?.Invoke(app);
        return default;
    }

    public CoordinatorCluster Cluster(bool withOthers = true) => new() { Peers = this, Claims = cluster, Others = withOthers ? this : null };
}
