namespace PushSystem.Coordinator;

/// <summary>The other coordinators of the cluster, as far as this one needs them. Thread-safe.</summary>
public interface ICoordinatorPeers
{
    /// <summary>
    /// Tells the coordinator that comes first for the app, or all of them, that events of it were stored; it calls
    /// <see cref="Coordinator.Wake"/> there. A hint: when it is lost, the owner finds the events by its next look at the queue.
    /// </summary>
    ValueTask WakeAsync(string app, CancellationToken cancellationToken);
}
