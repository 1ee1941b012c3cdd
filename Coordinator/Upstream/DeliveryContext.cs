using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Upstream;

/// <summary>What every app's delivery shares.</summary>
internal sealed record DeliveryContext(
    IEventQueue Events, IAppDirectory Apps, WebhookClient Client, TimeProvider Time, ILogger Logger, CoordinatorMetrics Metrics,
    CoordinatorOptions Options);
