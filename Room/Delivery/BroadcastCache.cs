using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Delivery;

/// <summary>
/// Broadcasts kept for sessions that catch up, so that a crowd that comes back reads the log once. It owns its entries, bounded in
/// bytes (oldest first) and in age; any thread may use it; reads of the same place share one call; nothing needs disposal.
/// </summary>
internal sealed class BroadcastCache(RoomContext room)
{
    private const int EntryOverhead = 128;
    private const int ReadMessages = 64;
    private const int ReadBytes = 256 * 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<Place, Item> _items = [];
    private readonly Queue<(Place Place, long Id)> _order = new();
    private readonly Dictionary<Place, TaskCompletionSource<ReadReply>> _reads = [];
    private long _bytes;
    private long _lastId;
    private long _version;

    /// <summary>Bytes held now, overhead included.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
                return _bytes;
        }
    }

    /// <summary>Reads as <see cref="IBroadcastLog.ReadAsync"/> does.</summary>
    public async ValueTask<ReadReply> ReadAsync(string app, uint epoch, long fromSeq, int maxMessages, int maxBytes)
    {
        var place = new Place(app, epoch, fromSeq);
        TaskCompletionSource<ReadReply>? shared;
        var version = 0L;
        var first = false;
        lock (_lock)
        {
            if (TryServe(place, maxMessages, maxBytes) is { } served)
                return served;
            if (!_reads.TryGetValue(place, out shared))
            {
                first = true;
                version = _version;
                shared = new TaskCompletionSource<ReadReply>(TaskCreationOptions.RunContinuationsAsynchronously);
                _reads.Add(place, shared);
            }
        }
        return Trim(first ? await ReadLogAsync(place, version, shared) : await shared.Task, maxMessages, maxBytes);
    }

    /// <summary>Adds one that is being fanned out.</summary>
    public void Put(string app, uint epoch, StreamEntry message)
    {
        lock (_lock)
            Add(new Place(app, epoch, message.Seq), message);
    }

    /// <summary>What may be served has changed from this place on.</summary>
    public void Invalidate(string app, uint epoch, long fromSeq)
    {
        lock (_lock)
        {
            // A read that is under way may bring the old state: it is not kept, and nobody joins it any more.
            _version++;
            _reads.Clear();
            foreach (var (place, item) in _items)
            {
                if (place.App == app && place.Epoch == epoch && item.Entry.Seq >= fromSeq)
                    Remove(place);
            }
        }
    }

    private async Task<ReadReply> ReadLogAsync(Place place, long version, TaskCompletionSource<ReadReply> shared)
    {
        try
        {
            var reply = await room.Stores.AskAsync(cancellationToken =>
                room.Services.Broadcasts.ReadAsync(place.App, place.Epoch, place.Seq, ReadMessages, ReadBytes, cancellationToken));
            lock (_lock)
            {
                if (version == _version)
                    _reads.Remove(place);
                if (version == _version && reply.Epoch == place.Epoch)
                    AddAll(place, reply.Entries);
            }
            shared.SetResult(reply);
            return reply;
        }
        catch (Exception exception)
        {
            lock (_lock)
            {
                if (version == _version)
                    _reads.Remove(place);
            }
            shared.SetException(exception);
            _ = shared.Task.Exception; // Seen here, should nobody have joined.
            throw;
        }
    }

    private void AddAll(Place place, IReadOnlyList<StreamEntry> entries)
    {
        foreach (var entry in entries)
        {
            Add(place, entry);
            place = place with { Seq = entry.Seq + 1 };
        }
    }

    private void Add(Place place, in StreamEntry entry)
    {
        Remove(place);
        var size = entry.Payload.Length + EntryOverhead;
        if (size > room.Options.BroadcastCacheBytes)
            return;
        var item = new Item(++_lastId, entry, room.Time.GetTimestamp());
        _items.Add(place, item);
        _order.Enqueue((place, item.Id));
        _bytes += size;
        while (_bytes > room.Options.BroadcastCacheBytes || _order.Count > 2 * _items.Count + 16)
        {
            var oldest = _order.Dequeue();
            if (_items.TryGetValue(oldest.Place, out var candidate) && candidate.Id == oldest.Id)
            {
                if (_bytes > room.Options.BroadcastCacheBytes)
                    Remove(oldest.Place);
                else
                    _order.Enqueue(oldest);
            }
        }
    }

    private void Remove(Place place)
    {
        if (_items.Remove(place, out var item))
            _bytes -= item.Entry.Payload.Length + EntryOverhead;
    }

    private ReadReply? TryServe(Place place, int maxMessages, int maxBytes)
    {
        List<StreamEntry>? entries = null;
        for (var bytes = 0L; (entries?.Count ?? 0) < maxMessages && _items.TryGetValue(place, out var item);)
        {
            bytes += item.Entry.Payload.Length;
            if (room.Time.GetElapsedTime(item.AddedAt) >= room.Options.BroadcastCacheAge || (entries is not null && bytes > maxBytes))
                break;
            (entries ??= []).Add(item.Entry);
            place = place with { Seq = item.Entry.Seq + 1 };
        }
        return entries is null ? null : new ReadReply(place.Epoch, entries, entries[^1].Seq, 0);
    }

    private static ReadReply Trim(ReadReply reply, int maxMessages, int maxBytes)
    {
        var count = 0;
        for (var bytes = 0L; count < Math.Min(reply.Entries.Count, maxMessages); count++)
        {
            bytes += reply.Entries[count].Payload.Length;
            if (count > 0 && bytes > maxBytes)
                break;
        }
        return count == reply.Entries.Count ? reply : reply with { Entries = [.. reply.Entries.Take(count)] };
    }

    private readonly record struct Place(string App, uint Epoch, long Seq);

    private readonly record struct Item(long Id, StreamEntry Entry, long AddedAt);
}
