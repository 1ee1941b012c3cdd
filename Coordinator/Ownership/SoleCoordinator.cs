using PushSystem.Contracts;

namespace PushSystem.Coordinator.Ownership;

/// <summary>A cluster of one: this process lives, comes first for everything, and gets every claim. Any thread; owns nothing.</summary>
internal sealed class SoleCoordinator : IPeers, IWorkClaims
{
    public static readonly CoordinatorCluster Cluster = new() { Peers = new SoleCoordinator(), Claims = new SoleCoordinator() };

    public long Self => 1;

    public IReadOnlyCollection<long> Live { get; } = [1];

    public event Action? Changed
    {
        add { }
        remove { }
    }

    public bool IsFirstFor(string work) => true;

    public ValueTask<long> ClaimAsync(string work, long token, IReadOnlyCollection<long> live, CancellationToken cancellationToken) => new(token);

    public ValueTask ReleaseAsync(string work, long token, CancellationToken cancellationToken) => default;
}
