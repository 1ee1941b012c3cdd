using System.Threading.Channels;
using PushSystem.Contracts;

namespace PushSystem.Room.Sessions;

/// <summary>An entry to be removed, and the client of a shard that waits for it, if any.</summary>
internal readonly record struct UnbindRequest(SessionEntry Entry, RoomShard? Shard, ClientRef Client);

/// <summary>
/// Takes ended sessions out of the registry, in batches, one call at a time, until the registry has answered. It owns its queue
/// and loop; any thread may enqueue; the room disposes it. Over its bound the oldest request is dropped: the entry it would have
/// removed is found stale by the first delivery.
/// </summary>
internal sealed class Unregistrar : IAsyncDisposable
{
    private const int MaxBatch = 512;

    private readonly RoomContext _room;
    private readonly Channel<UnbindRequest> _queue;
    private readonly Task _loop;
    private int _open;
    private int _failing;

    public Unregistrar(RoomContext room)
    {
        _room = room;
        _queue = Channel.CreateBounded<UnbindRequest>(
            new BoundedChannelOptions(room.Options.UnbindQueueLimit) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true },
            Dropped);
        _loop = RunAsync();
    }

    /// <summary>The last call failed and is being repeated.</summary>
    public bool IsFailing => Volatile.Read(ref _failing) != 0;

    /// <summary>Nothing waits and no call is under way.</summary>
    public bool IsIdle => Volatile.Read(ref _open) == 0;

    public void Enqueue(UnbindRequest request)
    {
        Interlocked.Increment(ref _open);
        if (!_queue.Writer.TryWrite(request))
            Complete(request);
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _loop;
    }

    private async Task RunAsync()
    {
        try
        {
            var batch = new List<UnbindRequest>();
            while (await _queue.Reader.WaitToReadAsync(_room.Stopping))
            {
                batch.Clear();
                while (batch.Count < MaxBatch && _queue.Reader.TryRead(out var request))
                    batch.Add(request);
                await UnbindAsync(batch);
                batch.ForEach(Complete);
            }
        }
        catch (OperationCanceledException) when (_room.Stopping.IsCancellationRequested)
        {
            // The entries of a stopped incarnation are invalid by themselves.
        }
        catch (Exception exception)
        {
            RoomLog.WorkFailed(_room.Logger, nameof(Unregistrar), exception);
        }
    }

    private async Task UnbindAsync(List<UnbindRequest> batch)
    {
        var entries = batch.ConvertAll(request => request.Entry);
        while (true)
        {
            try
            {
                await _room.Stores.AskAsync(cancellationToken => _room.Services.Registry.UnbindAsync(entries, cancellationToken));
                Volatile.Write(ref _failing, 0);
                return;
            }
            catch (Exception exception) when (StoreCalls.MayPass(exception))
            {
                Volatile.Write(ref _failing, 1);
                _room.CallFailed("ISessionRegistry.UnbindAsync", exception);
            }
            catch (Exception exception) when (exception is not OperationCanceledException || !_room.Stopping.IsCancellationRequested)
            {
                // Not a matter of time: repeating it would hold up everything behind it.
                Volatile.Write(ref _failing, 0);
                _room.CallFailed("ISessionRegistry.UnbindAsync", exception);
                return;
            }
            await _room.DelayAsync(_room.Options.StoreRetryDelay);
        }
    }

    private void Dropped(UnbindRequest request)
    {
        _room.Metrics.Dropped("unbind");
        Complete(request);
    }

    private void Complete(UnbindRequest request)
    {
        // Posted first, so that whoever sees the registrar idle finds the shards told.
        request.Shard?.Post(static done => done.Shard!.Ender.CallDone(done.Client), request);
        Interlocked.Decrement(ref _open);
    }
}
