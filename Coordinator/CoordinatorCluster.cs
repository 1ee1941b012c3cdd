using PushSystem.Contracts;

namespace PushSystem.Coordinator;

/// <summary>
/// What a coordinator needs when there are several. It disposes none of it. Without one, the process does everything itself.
/// </summary>
public sealed record CoordinatorCluster
{
    /// <summary>The coordinators that live.</summary>
    public required IPeers Peers { get; init; }
    /// <summary>Who does what.</summary>
    public required IWorkClaims Claims { get; init; }
    /// <summary>The way to the others; null: they look at the queue once in a while.</summary>
    public ICoordinatorPeers? Others { get; init; }
    /// <summary>Reads the directory of rooms anew; null: a room that is not known yet is waited for for a moment.</summary>
    public Func<CancellationToken, ValueTask>? RefreshRooms { get; init; }
}
