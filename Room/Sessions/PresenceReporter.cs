using System.Threading.Channels;
using PushSystem.Contracts;

namespace PushSystem.Room.Sessions;

/// <summary>
/// Tells the coordinator who came and went, for apps that want to know: in the order of events, in batches, one call at a time,
/// again while it is not available. It owns its queue and loop; any thread may report; the room disposes it. Over its bound new
/// changes are dropped and counted.
/// </summary>
internal sealed class PresenceReporter : IAsyncDisposable
{
    private const int MaxBatch = 256;

    private readonly RoomContext _room;
    private readonly Channel<PresenceChange> _queue;
    private readonly Task _loop;
    private int _open;

    public PresenceReporter(RoomContext room)
    {
        _room = room;
        _queue = Channel.CreateBounded<PresenceChange>(
            new BoundedChannelOptions(room.Options.PresenceQueueLimit) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true },
            _ => Dropped());
        _loop = RunAsync();
    }

    /// <summary>Nothing waits and no call is under way.</summary>
    public bool IsIdle => Volatile.Read(ref _open) == 0;

    public void Report(UserKey key, bool online, long generation, string device)
    {
        if (_room.Services.Apps.Find(key.App) is not { Webhook.Presence: true })
            return;
        Interlocked.Increment(ref _open);
        if (!_queue.Writer.TryWrite(new PresenceChange(key, online, generation, device, _room.Identity.NodeId, _room.UnixNow)))
            Interlocked.Decrement(ref _open);
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
            var batch = new List<PresenceChange>();
            while (await _queue.Reader.WaitToReadAsync(_room.Stopping))
            {
                batch.Clear();
                while (batch.Count < MaxBatch && _queue.Reader.TryRead(out var change))
                    batch.Add(change);
                // Of one app each: in a cluster every app has one coordinator that decides about its users.
                foreach (var ofApp in batch.GroupBy(change => change.Key.App, StringComparer.Ordinal))
                    await NotifyAsync([.. ofApp]);
                Interlocked.Add(ref _open, -batch.Count);
            }
        }
        catch (OperationCanceledException) when (_room.Stopping.IsCancellationRequested)
        {
            // What the drain did not wait for ends with the process.
        }
        catch (Exception exception)
        {
            RoomLog.WorkFailed(_room.Logger, nameof(PresenceReporter), exception);
        }
    }

    private async Task NotifyAsync(IReadOnlyList<PresenceChange> changes)
    {
        while (true)
        {
            try
            {
                await _room.Stores.TellAsync(cancellationToken => _room.Services.Coordinator.NotifyAsync(changes, cancellationToken));
                return;
            }
            catch (Exception exception) when (StoreCalls.MayPass(exception))
            {
                _room.CallFailed("ICoordinator.NotifyAsync", exception);
            }
            catch (Exception exception) when (exception is not OperationCanceledException || !_room.Stopping.IsCancellationRequested)
            {
                _room.CallFailed("ICoordinator.NotifyAsync", exception);
                return;
            }
            await _room.DelayAsync(_room.Options.StoreRetryDelay);
        }
    }

    private void Dropped()
    {
        Interlocked.Decrement(ref _open);
        _room.Metrics.Dropped("presence");
    }
}
