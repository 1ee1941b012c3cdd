using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Upstream;

/// <summary>
/// Owns one <see cref="AppDelivery"/> for each app that has had events, and the HTTP client.
/// Any thread wakes an app; the lock guards only the table and nothing is awaited under it.
/// Disposed by the coordinator.
/// </summary>
internal sealed class WebhookSender : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, AppDelivery> _apps = new(StringComparer.Ordinal);
    private readonly DeliveryContext _context;
    private readonly IEventQueue _events;
    private readonly WebhookClient _client;
    private bool _stopped;

    public WebhookSender(
        IEventQueue events, IAppDirectory apps, TimeProvider time, ILogger logger, CoordinatorMetrics metrics,
        CoordinatorOptions options, HttpMessageHandler? handler)
    {
        _events = events;
        _client = new WebhookClient(options, time, handler);
        _context = new DeliveryContext(events, apps, _client, time, logger, metrics, options);
    }

    /// <summary>Takes up what is stored from before.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var backlog in await _events.BacklogAsync(cancellationToken))
            Wake(backlog.App);
    }

    /// <summary>Says that events of the app were stored. Never waits.</summary>
    public void Wake(string app)
    {
        lock (_lock)
        {
            if (_stopped)
                return;
            if (!_apps.TryGetValue(app, out var delivery))
            {
                delivery = new AppDelivery(app, _context);
                _apps.Add(app, delivery);
            }
            delivery.Wake();
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_lock)
            _stopped = true;
        // Nothing is added from here on.
        await Task.WhenAll(_apps.Values.Select(delivery => delivery.DisposeAsync().AsTask()));
        _client.Dispose();
    }
}

/// <summary>What every app's delivery shares.</summary>
internal sealed record DeliveryContext(
    IEventQueue Events, IAppDirectory Apps, WebhookClient Client, TimeProvider Time, ILogger Logger, CoordinatorMetrics Metrics,
    CoordinatorOptions Options);
