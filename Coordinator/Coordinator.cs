using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Coordinator.Operations;
using PushSystem.Coordinator.Presence;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator;

/// <summary>
/// Owns the webhook delivery, the presence notes and the operations over several components.
/// Any thread calls it; each app's delivery runs in its own loop, see <see cref="AppDelivery"/>.
/// Disposed by the process that made it, after the rooms have stopped and before the stores stop.
/// </summary>
public sealed class Coordinator : ICoordinator, IAsyncDisposable
{
    private readonly CoordinatorMetrics _metrics = new();
    private readonly WebhookSender _sender;
    private readonly UpstreamRouter _upstream;
    private readonly PresenceNotifier _presence;
    private readonly SessionKicker _kicker;

    /// <summary>
    /// Nothing runs before <see cref="StartAsync"/>. <paramref name="handler"/> replaces the HTTP handler made from the options (then
    /// the caller disposes it, and the options' address rule is the caller's task).
    /// </summary>
    public Coordinator(
        IEventQueue events, IFactStore facts, IAppDirectory apps, ISessionRegistry sessions, IRoomDirectory rooms,
        TimeProvider time, ILoggerFactory logging, CoordinatorOptions options, HttpMessageHandler? handler = null)
    {
        options.Validate();
        var logger = logging.CreateLogger("PushSystem.Coordinator");
        _sender = new WebhookSender(events, apps, time, logger, _metrics, options, handler);
        _upstream = new UpstreamRouter(events, apps, _sender, _metrics, options);
        _presence = new PresenceNotifier(events, facts, apps, sessions, rooms, _sender, time, logger, _metrics, options);
        _kicker = new SessionKicker(sessions, rooms, logger, _metrics);
    }

    /// <summary>Takes up the stored events and begins the settle time of presence. Throws <see cref="StoreUnavailableException"/>.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _sender.StartAsync(cancellationToken);
        _presence.Start();
    }

    /// <inheritdoc/>
    public ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken) =>
        _upstream.SubmitAsync(message, cancellationToken);

    /// <inheritdoc/>
    public ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken) =>
        _presence.NotifyAsync(changes, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken) => _kicker.KickAsync(key, cancellationToken);

    /// <summary>Stops; requests in flight are awaited for <see cref="CoordinatorOptions.StopWait"/>, then cut (their events stay stored).</summary>
    public async ValueTask DisposeAsync()
    {
        await _presence.DisposeAsync();
        await _sender.DisposeAsync();
        _metrics.Dispose();
    }
}
