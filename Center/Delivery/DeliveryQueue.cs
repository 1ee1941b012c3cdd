using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Hosting.Health;

namespace PushSystem.Center.Delivery;

/// <summary>
/// Hands stored messages to the rooms after their senders got their answer. Everything here is a hint: the message lies in the
/// mailbox, and the room's position check finds what was dropped here because a queue was full or a call failed.
/// Owns the queue, its loop and the lane of each room; any thread offers, one loop looks up; the host stops it, the container disposes it.
/// </summary>
internal sealed class DeliveryQueue : IHostedService, IAsyncDisposable
{
    private readonly SessionRouter _router;
    private readonly CenterOptions _options;
    private readonly CenterMetrics _metrics;
    private readonly HealthState _health;
    private readonly ILogger _logger;
    private readonly Channel<DeliverItem> _queue = Channel.CreateUnbounded<DeliverItem>(new UnboundedChannelOptions { SingleReader = true });
    private readonly ByteBudget _budget;
    private readonly ConcurrentDictionary<(string Room, long Incarnation), RoomLane> _lanes = new();
    private readonly RoomBreakers _breakers;
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private bool _isDisposed;

    public DeliveryQueue(
        SessionRouter router, RoomBreakers breakers, CenterOptions options, CenterMetrics metrics, HealthState health, ILoggerFactory loggers)
    {
        _breakers = breakers;
        _health = health;
        _router = router;
        _options = options;
        _metrics = metrics;
        _logger = loggers.CreateLogger<DeliveryQueue>();
        _budget = new ByteBudget(options.DeliveryQueueBytes);
        metrics.WatchQueue(() => _budget.Used + _lanes.Values.Sum(lane => lane.Bytes));
    }

    /// <summary>Takes a message; drops it when the queue is full. Never waits.</summary>
    public void Offer(in DeliverItem item)
    {
        if (!_budget.TryTake(item))
            _metrics.Hints("queue_full");
        else if (!_queue.Writer.TryWrite(item))
            _budget.Release(ByteBudget.SizeOf(item));
    }

    /// <summary>
    /// More than half of the bound of the queue, or of a room that is not left alone, is used: who has time should wait a little before
    /// offering more.
    /// </summary>
    public bool IsCrowded =>
        _budget.Used > _options.DeliveryQueueBytes / 2 || _lanes.Values.Any(lane => lane.Bytes > _options.RoomQueueBytes / 2 && !lane.IsLeftAlone);

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _loop = Task.Run(RunAsync, CancellationToken.None);
        return Task.CompletedTask;
    }

    /// <summary>Hands on what is queued until <paramref name="cancellationToken"/> says that there is no more time.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _queue.Writer.TryComplete();
        await using var registration = cancellationToken.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), _stopping);
        await _loop;
        await Task.WhenAll(_lanes.Values.Select(lane => lane.CompleteAsync()));
    }

    public async ValueTask DisposeAsync()
    {
        // The container holds this object twice, by itself and as a hosted service, and disposes it twice.
        if (Interlocked.Exchange(ref _isDisposed, true))
            return;
        _queue.Writer.TryComplete();
        await _stopping.CancelAsync();
        await _loop;
        foreach (var lane in _lanes.Values)
            await lane.CompleteAsync();
        _stopping.Dispose();
    }

    /// <summary>Puts a message into the lane of its entry's room. Never waits. A void entry or a full lane drops it.</summary>
    internal void Route(in RoutedItem routed)
    {
        if (_router.Room(routed.Entry) is not { } node)
        {
            _metrics.Hints(_router.IsVoid(routed.Entry) ? "offline" : "room_unknown");
            return;
        }
        var key = (routed.Entry.Room, routed.Entry.Incarnation);
        if (!_lanes.TryGetValue(key, out var lane))
        {
            DropDeadLanes();
            lane = _lanes.GetOrAdd(key, static (room, context) => context.Self.NewLane(room, context.Node), (Self: this, Node: node));
        }
        lane.Offer(routed);
    }

    private RoomLane NewLane((string Room, long Incarnation) key, IRoomNode node) =>
        new(key.Room, key.Incarnation, node, this, _router, _breakers, _options, _metrics, _logger, _stopping.Token);

    // Lanes are made when a room is first met, so this bounds them to the rooms that lived since the last new one.
    private void DropDeadLanes()
    {
        foreach (var (key, lane) in _lanes)
        {
            if (_router.IsGone(key.Room, key.Incarnation) && _lanes.TryRemove(key, out _))
            {
                lane.Close();
                _breakers.Forget(key.Room, key.Incarnation);
            }
        }
    }

    private async Task RunAsync()
    {
        try
        {
            await LookUpAllAsync();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            LoopFailed(exception);
        }
    }

    /// <summary>A loop ended that must not: the process asks to be restarted. Until then the rooms' position checks deliver.</summary>
    internal void LoopFailed(Exception exception)
    {
        CenterLog.DeliveryLoopFailed(_logger, exception);
        _health.Fail("the center's delivery ended unexpectedly");
    }

    private async Task LookUpAllAsync()
    {
        var items = new List<DeliverItem>(_options.DeliveryBatch);
        var keys = new List<UserKey>(_options.DeliveryBatch);
        var reader = _queue.Reader;
        while (await reader.WaitToReadAsync(_stopping.Token))
        {
            items.Clear();
            keys.Clear();
            long bytes = 0;
            while (items.Count < _options.DeliveryBatch && reader.TryRead(out var item))
            {
                items.Add(item);
                keys.Add(item.Key);
                bytes += ByteBudget.SizeOf(item);
            }
            await LookUpAsync(items, keys);
            _budget.Release(bytes);
        }
    }

    private async ValueTask LookUpAsync(List<DeliverItem> items, List<UserKey> keys)
    {
        IReadOnlyList<SessionEntry?> entries;
        try
        {
            entries = await _router.LookupAsync(keys, _stopping.Token);
        }
        catch (Exception exception) when (!_stopping.IsCancellationRequested)
        {
            CenterLog.LookupFailed(_logger, exception, items.Count);
            _metrics.Hints("failed", items.Count);
            return;
        }
        var offline = 0;
        for (var i = 0; i < items.Count; i++)
        {
            if (entries[i] is { } entry)
                Route(RoutedItem.To(entry, items[i], retried: false));
            else
                offline++;
        }
        if (offline > 0)
            _metrics.Hints("offline", offline);
    }
}
