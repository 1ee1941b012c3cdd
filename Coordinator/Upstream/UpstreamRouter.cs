using System.Globalization;
using PushSystem.Contracts;
using PushSystem.Coordinator.Ownership;
using PushSystem.Protocol;

namespace PushSystem.Coordinator.Upstream;

/// <summary>Checks clients' messages and stores them for the webhook. Stateless; any thread.</summary>
internal sealed class UpstreamRouter(
    IEventQueue events, IAppDirectory apps, AppOwners owners, CoordinatorMetrics metrics, CoordinatorOptions options)
{
    public async ValueTask<UpstreamReply> SubmitAsync(UpstreamMessage message, CancellationToken cancellationToken)
    {
        var reply = await StoreAsync(message, cancellationToken);
        metrics.Upstream.Add(1, new KeyValuePair<string, object?>("result", reply.Code.ToString()));
        return reply;
    }

    private async ValueTask<UpstreamReply> StoreAsync(UpstreamMessage message, CancellationToken cancellationToken)
    {
        if (apps.Find(message.Key.App) is not { Enabled: true, Webhook: not null } app)
            return new UpstreamReply(ReasonCode.NoReceiver, 0);
        if (message.Payload.Length > app.Limits.PayloadBytes)
            return new UpstreamReply(ReasonCode.PayloadTooLarge, 0);
        var dedupe = string.Create(CultureInfo.InvariantCulture, $"u:{message.Key.User}:{message.MessageId}");
        var draft = new EventDraft(message.Key, EventTypes.Upstream(message.Type), dedupe, message.ReceivedAt, EventBody.Upstream(message));
        EventStatus status;
        try
        {
            status = (await events.AppendAsync([draft], cancellationToken))[0];
        }
        catch (StoreUnavailableException)
        {
            // The outcome is unknown; the client's repetition carries the same id and meets the dedupe key.
            return new UpstreamReply(ReasonCode.NotStored, (int)options.NotStoredRetry.TotalMilliseconds);
        }
        if (status == EventStatus.Full)
            return new UpstreamReply(ReasonCode.QueueFull, (int)options.QueueFullRetry.TotalMilliseconds);
        owners.Wake(message.Key.App, tellOthers: true);
        return new UpstreamReply(ReasonCode.Ok, 0);
    }
}
