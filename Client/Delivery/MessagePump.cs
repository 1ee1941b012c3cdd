using PushSystem.Client.Connections;
using PushSystem.Protocol;

namespace PushSystem.Client.Delivery;

/// <summary>
/// Gives received messages to the application's handler, one after the other, checks their order, drops what was seen and marks
/// for acknowledgement what was processed. What is stored and came on a connection that has ended is dropped: it will come again.
/// Owns nothing; one task runs it; the only writer of stream positions.
/// </summary>
internal sealed class MessagePump(ClientContext context, Func<ReceivedMessage, ValueTask> handler)
{
    /// <summary>Runs until cancelled; a handler that is running then is not interrupted.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (!cancellationToken.IsCancellationRequested)
            {
                var item = await context.Queue.TakeAsync(cancellationToken);
                try
                {
                    if (item.Session.Status == SessionStatus.Active
                        && (!item.Session.Connection.HasEnded || item is MessageItem { Transient: true }))
                    {
                        await HandleAsync(item);
                    }
                }
                finally
                {
                    context.Queue.Release(item);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    private ValueTask HandleAsync(DeliveryItem item)
    {
        switch (item)
        {
            case OpenedItem opened:
                item.Session.Binding.Mailbox.Opened(opened.Mailbox);
                item.Session.Binding.Broadcast.Opened(opened.Broadcast);
                return ValueTask.CompletedTask;
            case ResetItem reset:
                Reset(reset);
                return ValueTask.CompletedTask;
            case MessageItem { Transient: true } message:
                return TransientAsync(message);
            default:
                return StoredAsync((MessageItem)item);
        }
    }

    private void Reset(ResetItem item)
    {
        var tracker = item.Session.Binding.Tracker(item.Stream);
        if (tracker.Resets(item.Target, item.Reason))
            Skip(item.Session, item.Stream, item.Target, item.Reason);
    }

    private async ValueTask TransientAsync(MessageItem item)
    {
        try
        {
            await handler(Message(item, 0));
            ClientMetrics.Processed.Add(1);
        }
        catch (Exception e)
        {
            context.OnError(new ClientError(ClientErrorKind.Handler, $"the handler failed on a transient message of {item.Session.Binding}; it is gone", e));
        }
    }

    private async ValueTask StoredAsync(MessageItem item)
    {
        var session = item.Session;
        var tracker = session.Binding.Tracker(item.Stream);
        var verdict = tracker.Check(item.Seq, out var behind);
        if (verdict == SeqVerdict.Duplicate)
        {
            ClientMetrics.Duplicates.Add(1);
            session.Connection.Acks.Processed(session, item.Stream);
            return;
        }
        if (verdict == SeqVerdict.Gap)
        {
            session.Connection.Violation(
                $"{session.Binding} {item.Stream}: message {item.Seq} came where {behind.Seq + 1} was due, without a RESET");
            return;
        }
        if (verdict == SeqVerdict.NextBehindGap)
            Skip(session, item.Stream, behind, ResetReason.None);

        try
        {
            await handler(Message(item, behind.Epoch));
        }
        catch (Exception e)
        {
            context.OnError(new ClientError(ClientErrorKind.Handler, $"the handler failed on message {item.Seq} of {session.Binding}; it will come again", e));
            session.Connection.HandlerFailed(session, new StreamPosition(behind.Epoch, item.Seq));
            return;
        }
        tracker.Advance(behind);
        ClientMetrics.Processed.Add(1);
        context.TryFlushStore(toDisk: false);
        session.Connection.Acks.Processed(session, item.Stream);
    }

    private void Skip(ClientSession session, StreamKind stream, StreamPosition target, ResetReason reason)
    {
        var tracker = session.Binding.Tracker(stream);
        ClientMetrics.Resets.Add(1);
        context.OnReset(new StreamReset(session.Binding, stream, tracker.Position, target, reason));
        tracker.Skip(target);
        context.TryFlushStore(toDisk: false);
    }

    private static ReceivedMessage Message(MessageItem item, uint epoch) => new(
        item.Session.Binding.App, item.Session.Binding.User, item.Stream, item.Transient, epoch, item.Seq, item.Kind, item.ExpiresAt, item.Payload);
}
