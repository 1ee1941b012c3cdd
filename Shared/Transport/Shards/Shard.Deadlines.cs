using System.Runtime.CompilerServices;

namespace PushSystem.Transport.Shards;

internal sealed partial class Shard
{
    // A burst of deadlines is spread over turns, so that sends and reads come in between.
    private const int MaxExpiredPerItem = 1024;

    /// <inheritdoc/>
    public void SetDeadline(ConnectionRef connection, long deadline)
    {
        AssertOnTurn();
        ref var slot = ref _table.Find(connection);
        if (!Unsafe.IsNullRef(ref slot) && (slot.State & SlotStates.Closing) == 0)
            _wheel.Set(connection.Slot, deadline);
    }

    // True when deadlines are left over.
    private bool Expire()
    {
        for (var count = 0; count < MaxExpiredPerItem; count++)
        {
            if (!_wheel.TryExpire(_now, out var index))
                return false;
            ref var slot = ref _table[index];
            if ((slot.State & SlotStates.Lingering) != 0)
                Finish(ref slot, index, slot.Cause);
            else if (slot.Wire is not null && (slot.State & SlotStates.Closing) == 0)
                CallExpired(ref slot, new ConnectionRef(index, slot.Generation));
            FinishClosed();
        }
        return true;
    }

    private void CallExpired(ref ConnectionSlot slot, ConnectionRef connection)
    {
        try
        {
            _handler.Expired(connection);
        }
        catch (Exception exception)
        {
            Fault(ref slot, connection, nameof(IConnectionHandler.Expired), exception);
        }
    }

    private void CallTick()
    {
        try
        {
            _handler.Tick(_now);
        }
        catch (Exception exception)
        {
            TransportLog.ShardHandlerFault(_logger, nameof(IConnectionHandler.Tick), Index, exception);
        }
    }

    /// <summary>The wheel's tick: in the queue at most once, so that a late shard does not collect ticks.</summary>
    private sealed class TickItem : IWorkItem
    {
        private int _claimed;

        public IWorkItem? Next { get; set; }

        public bool TryClaim() => Interlocked.Exchange(ref _claimed, 1) == 0;

        public void Run(Shard shard)
        {
            // In this order: a tick that is skipped because this one is still claimed came before the clock is read.
            Interlocked.Exchange(ref _claimed, 0);
            shard._now = shard._core.Clock.Now;
            shard._metrics.TickRan(shard._now - shard._core.TickPosted);
            if (shard.Expire())
                shard.PostTick();
            else if (!shard._stopping)
                shard.CallTick();
        }
    }
}
