using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Center.Delivery;

/// <summary>
/// The messages on their way to one room, so that a slow room delays nobody else's. What gathers while a call is under way makes
/// the next batch.
/// Owns its queue and loop; any thread offers; its delivery queue closes it.
/// </summary>
internal sealed class RoomLane
{
    private readonly string _room;
    private readonly long _incarnation;
    private readonly IRoomNode _node;
    private readonly DeliveryQueue _owner;
    private readonly SessionRouter _router;
    private readonly RoomBreakers _breakers;
    private readonly CenterOptions _options;
    private readonly CenterMetrics _metrics;
    private readonly ILogger _logger;
    private readonly int _maxBatch;
    private readonly ByteBudget _budget;
    private readonly Channel<RoutedItem> _queue = Channel.CreateUnbounded<RoutedItem>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationToken _stopping;
    private readonly Task _loop;
    private bool _isFailing;

    public RoomLane(
        string room, long incarnation, IRoomNode node, DeliveryQueue owner, SessionRouter router,
        RoomBreakers breakers, CenterOptions options, CenterMetrics metrics, ILogger logger, CancellationToken stopping)
    {
        (_room, _incarnation, _node, _owner, _router, _metrics, _logger, _stopping) = (room, incarnation, node, owner, router, metrics, logger, stopping);
        (_breakers, _options) = (breakers, options);
        _maxBatch = options.DeliveryBatch;
        _budget = new ByteBudget(options.RoomQueueBytes);
        _loop = Task.Run(RunAsync, CancellationToken.None);
    }

    public long Bytes => _budget.Used;

    /// <summary>Its calls have failed so often that none is made for now.</summary>
    public bool IsLeftAlone => _breakers.IsOpen(_room, _incarnation);

    /// <summary>Takes a message; drops it when the lane is full or closed. Never waits.</summary>
    public void Offer(in RoutedItem routed)
    {
        if (!_budget.TryTake(routed.Item))
        {
            _metrics.Hints("room_queue_full");
        }
        else if (!_queue.Writer.TryWrite(routed))
        {
            _budget.Release(ByteBudget.SizeOf(routed.Item));
            _metrics.Hints("room_gone");
        }
    }

    /// <summary>Takes no more; what is queued goes out still.</summary>
    public void Close() => _queue.Writer.TryComplete();

    /// <summary>Closes and waits for the loop's end.</summary>
    public Task CompleteAsync()
    {
        Close();
        return _loop;
    }

    private async Task RunAsync()
    {
        try
        {
            await DeliverAllAsync();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            _owner.LoopFailed(exception);
        }
    }

    private async Task DeliverAllAsync()
    {
        var batch = new List<RoutedItem>(_maxBatch);
        var reader = _queue.Reader;
        while (await reader.WaitToReadAsync(_stopping))
        {
            batch.Clear();
            long bytes = 0;
            while (batch.Count < _maxBatch && reader.TryRead(out var routed))
            {
                batch.Add(routed);
                bytes += ByteBudget.SizeOf(routed.Item);
            }
            await DeliverAsync(batch);
            _budget.Release(bytes);
        }
    }

    private async ValueTask DeliverAsync(List<RoutedItem> batch)
    {
        if (_router.IsGone(_room, _incarnation))
        {
            _metrics.Hints("room_gone", batch.Count);
            return;
        }
        if (!_breakers.TryEnter(_room, _incarnation))
        {
            _metrics.Hints("room_left_alone", batch.Count);
            return;
        }
        List<RoutedItem>? stale;
        try
        {
            var items = new DeliverItem[batch.Count];
            for (var i = 0; i < items.Length; i++)
                items[i] = batch[i].Item;
            var outcomes = await _node.DeliverAsync(items, _stopping).WithinAsync(_options.RoomTimeout, _breakers.Time);
            _breakers.Succeeded(_room, _incarnation);
            stale = Count(batch, outcomes);
        }
        catch (Exception exception) when (!_stopping.IsCancellationRequested)
        {
            // Not delivered, whatever it was: the mailboxes have it. One line per outage: the metric counts the rest.
            if (!_isFailing)
                CenterLog.DeliveryFailing(_logger, exception, _room, _incarnation);
            _isFailing = true;
            _metrics.Hints("failed", batch.Count);
            _breakers.Failed(_room, _incarnation);
            return;
        }
        if (_isFailing)
            CenterLog.DeliveryWorking(_logger, _room, _incarnation);
        _isFailing = false;
        if (stale is not null)
            await SendElsewhereAsync(stale);
    }

    private List<RoutedItem>? Count(List<RoutedItem> batch, IReadOnlyList<DeliverOutcome> outcomes)
    {
        List<RoutedItem>? stale = null;
        int taken = 0, lost = 0;
        for (var i = 0; i < batch.Count; i++)
        {
            if (outcomes[i] != DeliverOutcome.NotHere)
                taken++;
            else if (batch[i].Retried)
                lost++;
            else
                (stale ??= []).Add(batch[i]);
        }
        if (taken > 0)
            _metrics.Hints("taken", taken);
        if (lost > 0)
            _metrics.Hints("not_here", lost);
        return stale;
    }

    private async ValueTask SendElsewhereAsync(List<RoutedItem> stale)
    {
        IReadOnlyList<SessionEntry?> entries;
        try
        {
            entries = await _router.ReplaceAsync([.. stale.Select(routed => routed.Entry)], _stopping);
        }
        catch (Exception exception) when (!_stopping.IsCancellationRequested)
        {
            CenterLog.LookupFailed(_logger, exception, stale.Count);
            _metrics.Hints("failed", stale.Count);
            return;
        }
        for (var i = 0; i < stale.Count; i++)
        {
            if (entries[i] is { } entry)
                _owner.Route(RoutedItem.To(entry, stale[i].Item, retried: true));
            else
                _metrics.Hints("offline");
        }
    }
}
