using System.Threading.Channels;

namespace PushSystem.Client.Delivery;

/// <summary>
/// What was received and waits for the handler, bounded in bytes: the receiving side waits when it is full, so that the server feels
/// a slow handler. One item larger than the limit may pass alone.
/// Owns its items; one connection at a time writes, the pump reads; nothing to dispose.
/// </summary>
internal sealed class DeliveryQueue(int limitBytes)
{
    private readonly Lock _lock = new();
    private readonly Channel<DeliveryItem> _items = Channel.CreateUnbounded<DeliveryItem>(new UnboundedChannelOptions { SingleReader = true });
    private TaskCompletionSource? _room;
    private long _bytes;

    /// <summary>Bytes waiting or being handled.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
                return _bytes;
        }
    }

    /// <summary>The most bytes there ever were.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>Adds the item if there is room; otherwise gives the task that ends when some was made.</summary>
    public Task? TryAdd(DeliveryItem item)
    {
        lock (_lock)
        {
            if (_bytes > 0 && _bytes + item.Size > limitBytes)
                return (_room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            _bytes += item.Size;
            PeakBytes = Math.Max(PeakBytes, _bytes);
            _items.Writer.TryWrite(item);
            return null;
        }
    }

    /// <summary>The next item; its bytes count until <see cref="Release"/>.</summary>
    public ValueTask<DeliveryItem> TakeAsync(CancellationToken cancellationToken) => _items.Reader.ReadAsync(cancellationToken);

    /// <summary>The item was handled or dropped.</summary>
    public void Release(DeliveryItem item)
    {
        TaskCompletionSource? room;
        lock (_lock)
        {
            _bytes -= item.Size;
            room = _room;
            _room = null;
        }
        room?.TrySetResult();
    }
}
