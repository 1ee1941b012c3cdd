using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Coordinator.Operations;
using PushSystem.Coordinator.Ownership;
using PushSystem.Coordinator.Presence;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator;

/// <summary>
/// Owns the webhook delivery, the presence notes and the operations over several components.
/// Any thread calls it; each app's delivery runs in its own loop, in one process of the cluster, see <see cref="AppOwners"/>.
/// Disposed by the process that made it, after the rooms have stopped and before the stores stop.
/// </summary>
public sealed class Coordinator : ICoordinator, IAsyncDisposable
{
    private readonly CoordinatorMetrics _metrics = new();
    private readonly WebhookClient _client;
    private readonly AppOwners _owners;
    private readonly UpstreamRouter _upstream;
    private readonly PresenceNotifier _presence;
    private readonly SessionKicker _kicker;

    /// <summary>
    /// Nothing runs before <see cref="StartAsync"/>. <paramref name="handler"/> replaces the HTTP handler made from the options (then
    /// the caller disposes it, and the options' address rule is the caller's task). Without a <paramref name="cluster"/> this is the only
    /// coordinator there is.
    /// </summary>
    public Coordinator(
        IEventQueue events, IFactStore facts, IAppDirectory apps, ISessionRegistry sessions, IRoomDirectory rooms,
        TimeProvider time, ILoggerFactory logging, CoordinatorOptions options, HttpMessageHandler? handler = null,
        CoordinatorCluster? cluster = null)
    {
        options.Validate();
        cluster ??= SoleCoordinator.Cluster;
        var logger = logging.CreateLogger("PushSystem.Coordinator");
        _client = new WebhookClient(options, time, handler);
        var presence = new PresenceContext(events, facts, apps, sessions, rooms, time, logger, _metrics, options);
        _owners = new AppOwners(cluster, new DeliveryContext(events, apps, _client, time, logger, _metrics, options), presence);
        _upstream = new UpstreamRouter(events, apps, _owners, _metrics, options);
        _presence = new PresenceNotifier(presence, _owners);
        _kicker = new SessionKicker(sessions, rooms, cluster.RefreshRooms, time, logger, _metrics);
    }

    /// <summary>
    /// Takes up the stored events of the apps for which this coordinator comes first, and begins the settle time of their presence.
    /// Throws <see cref="StoreUnavailableException"/>.
    /// </summary>
    public Task StartAsync(CancellationToken cancellationToken) => _owners.StartAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken) =>
        _upstream.SubmitAsync(message, cancellationToken);

    /// <inheritdoc/>
    /// <remarks>
    /// Throws <see cref="FencedException"/> when another coordinator decides for one of the apps, after the changes of the other apps were
    /// taken: the caller asks the next coordinator, best with the changes of one app in a call. When a store is away it throws
    /// <see cref="StoreUnavailableException"/>. In both cases the same changes may be told again.
    /// </remarks>
    public ValueTask NotifyAsync(IReadOnlyList<PresenceChange> changes, CancellationToken cancellationToken) =>
        _presence.NotifyAsync(changes, cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> KickAsync(UserKey key, CancellationToken cancellationToken) => _kicker.KickAsync(key, cancellationToken);

    /// <summary>Another coordinator says that events of the app were stored. A hint; never waits; any thread.</summary>
    public void Wake(string app) => _owners.Wake(app, tellOthers: false);

    /// <summary>
    /// Stops and hands the apps over; requests in flight are awaited for <see cref="CoordinatorOptions.StopWait"/>, then cut (their events
    /// stay stored).
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        await _owners.DisposeAsync();
        _client.Dispose();
        _metrics.Dispose();
    }
}
