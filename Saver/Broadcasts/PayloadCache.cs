namespace PushSystem.Saver.Broadcasts;

/// <summary>
/// Payloads of broadcasts that are read by many users, bounded in bytes; the one that was not used for the longest time goes first.
/// Thread-safe. Owned by the broadcast log.
/// </summary>
internal sealed class PayloadCache(long maxBytes)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(int App, long Seq), LinkedListNode<Item>> _items = [];
    private readonly LinkedList<Item> _used = new();
    private long _bytes;

    public bool TryGet(int app, long seq, out byte[] payload)
    {
        lock (_gate)
        {
            if (_items.TryGetValue((app, seq), out var node))
            {
                _used.Remove(node);
                _used.AddFirst(node);
                payload = node.Value.Payload;
                return true;
            }
        }
        payload = [];
        return false;
    }

    /// <summary>Keeps it if it is not larger than a quarter of the bound.</summary>
    public void Add(int app, long seq, byte[] payload)
    {
        if (payload.Length > maxBytes / 4)
            return;
        lock (_gate)
        {
            if (_items.ContainsKey((app, seq)))
                return;
            _items.Add((app, seq), _used.AddFirst(new Item(app, seq, payload)));
            _bytes += payload.Length;
            while (_bytes > maxBytes && _used.Last is { } last)
                RemoveLocked(last);
        }
    }

    public void Remove(int app, long seq)
    {
        lock (_gate)
        {
            if (_items.TryGetValue((app, seq), out var node))
                RemoveLocked(node);
        }
    }

    private void RemoveLocked(LinkedListNode<Item> node)
    {
        _used.Remove(node);
        _items.Remove((node.Value.App, node.Value.Seq));
        _bytes -= node.Value.Payload.Length;
    }

    private readonly record struct Item(int App, long Seq, byte[] Payload);
}
