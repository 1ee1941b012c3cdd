using PushSystem.Contracts;
using PushSystem.Remote.Routing;

namespace PushSystem.Coordinator;

/// <summary>The coordinator as the links see it: until it has started, no app is owned here and the caller asks another one.</summary>
internal sealed class EarlyCoordinator(Func<Coordinator?> coordinator) : ICoordinator
{
    private Coordinator Started => coordinator() ?? throw new FencedException("this coordinator has not started yet");

    public ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken) => Started.SubmitAsync(message, cancellationToken);

    public ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken) => Started.NotifyAsync(changes, cancellationToken);

    public ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken) => Started.KickAsync(key, cancellationToken);
}

/// <summary>The way to the other coordinators.</summary>
internal sealed class Others(WakeUps wakeUps) : ICoordinatorPeers
{
    public ValueTask WakeAsync(string app, CancellationToken cancellationToken) => wakeUps.WakeAsync(app, cancellationToken);
}
