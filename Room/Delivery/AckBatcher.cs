using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Room.Delivery;

/// <summary>
/// Tells the store what the clients of a shard have acknowledged: newest position per stream, in batches, one call at a time,
/// again while the store is away. Owned by its shard, used on its turn; nothing needs disposal. Over its bound new streams are
/// not told: their messages repeat on the wire, none is lost.
/// </summary>
internal sealed class AckBatcher(RoomShard shard)
{
    private readonly RoomContext _room = shard.Room;
    private List<AckEntry> _pending = [];
    private uint _batch = 1;
    private long _pendingSince;
    private List<AckEntry>? _failed;
    private long _retryAt;
    private bool _inFlight;

    /// <summary>Everything was told to the store.</summary>
    public bool IsIdle => _pending.Count == 0 && _failed is null && !_inFlight;

    public void Add(ref StreamState stream, UserKey key, StreamKind kind, long seq)
    {
        var entry = new AckEntry(key, kind, stream.Epoch, seq);
        if (stream.AckBatch == _batch && stream.AckEntry < _pending.Count && Same(_pending[stream.AckEntry], entry))
        {
            _pending[stream.AckEntry] = entry;
            return;
        }
        if (_pending.Count >= shard.Options.AckQueueLimit)
        {
            _room.Metrics.Dropped("acks");
            return;
        }
        if (_pending.Count == 0)
            _pendingSince = shard.Now;
        stream.AckBatch = _batch;
        stream.AckEntry = _pending.Count;
        _pending.Add(entry);
    }

    public void TurnEnded()
    {
        if (_pending.Count >= shard.Options.AckBatchCount)
            Flush();
    }

    public void Tick(long now)
    {
        if (_failed is not null ? now >= _retryAt : _pending.Count > 0 && now - _pendingSince >= (long)shard.Options.AckBatchDelay.TotalMilliseconds)
            Flush();
    }

    /// <summary>Sends what waits unless a call is under way; a batch that failed goes first.</summary>
    public void Flush()
    {
        if (_inFlight || (_failed is not null && shard.Now < _retryAt))
            return;
        var batch = _failed;
        if (batch is null)
        {
            if (_pending.Count == 0)
                return;
            batch = _pending;
            _pending = [];
            _batch++;
        }
        _failed = null;
        _inFlight = true;
        _room.Metrics.AckBatch();
        _ = AckAsync(batch);
    }

    private async Task AckAsync(List<AckEntry> batch)
    {
        var again = false;
        try
        {
            await _room.Stores.TellAsync(cancellationToken => _room.Services.Mailboxes.AckAsync(batch, cancellationToken));
        }
        catch (Exception exception)
        {
            // Anything but an absent store would fail again in the same way.
            again = StoreCalls.MayPass(exception);
            _room.CallFailed("IMailboxes.AckAsync", exception);
        }
        shard.Post(static done => done.Acks.Completed(done.Failed), (Acks: this, Failed: again ? batch : null));
    }

    private void Completed(List<AckEntry>? failed)
    {
        _inFlight = false;
        _failed = failed;
        if (failed is not null)
            _retryAt = shard.Now + (long)shard.Options.StoreRetryDelay.TotalMilliseconds;
        else if (_pending.Count >= shard.Options.AckBatchCount)
            Flush();
    }

    private static bool Same(in AckEntry one, in AckEntry other) =>
        one.Stream == other.Stream && one.Epoch == other.Epoch && one.Key == other.Key;
}
