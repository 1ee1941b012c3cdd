using System.Runtime.CompilerServices;

namespace PushSystem.Transport.Shards;

// Closing: the handler is told after the call that caused the close has returned, so that it is never entered twice.
internal sealed partial class Shard
{
    private readonly List<int> _finishing = [];

    /// <inheritdoc/>
    public void Close(ConnectionRef connection, CloseCause cause, int lingerMilliseconds = 0)
    {
        AssertOnTurn();
        ref var slot = ref _table.Find(connection);
        if (Unsafe.IsNullRef(ref slot))
            return;
        if ((slot.State & SlotStates.Closing) == 0 && lingerMilliseconds > 0 && slot.OutputBytes > 0)
        {
            slot.State |= SlotStates.Closing | SlotStates.Lingering;
            slot.Cause = cause;
            _wheel.Set(connection.Slot, _now + lingerMilliseconds);
        }
        else if (lingerMilliseconds <= 0 || (slot.State & SlotStates.Closing) == 0)
        {
            Finish(ref slot, connection.Slot, cause);
        }
    }

    /// <summary>A closed wire has no operation left.</summary>
    public void WireFinished() => _wires--;

    // The first cause stays: a lingering connection that breaks was still closed for its first reason.
    private void Finish(ref ConnectionSlot slot, int index, CloseCause cause)
    {
        if ((slot.State & SlotStates.Finishing) != 0)
            return;
        if ((slot.State & SlotStates.Closing) == 0)
            slot.Cause = cause;
        slot.State |= SlotStates.Closing | SlotStates.Finishing;
        _finishing.Add(index);
    }

    private void Broken(ref ConnectionSlot slot, ConnectionRef connection)
    {
        // A peer that seemed to have ended orderly, and did not take what it was sent.
        if (slot.Cause == CloseCause.PeerClosed)
            slot.Cause = CloseCause.PeerReset;
        Finish(ref slot, connection.Slot, CloseCause.PeerReset);
    }

    private void Fault(ref ConnectionSlot slot, ConnectionRef connection, string member, Exception exception)
    {
        TransportLog.HandlerFault(_logger, member, connection, Index, exception);
        Finish(ref slot, connection.Slot, CloseCause.Fault);
    }

    private void FinishClosed()
    {
        // Handlers may close further connections in here; the list grows behind the index.
        for (var next = 0; next < _finishing.Count; next++)
            FinishOne(_finishing[next]);
        _finishing.Clear();
    }

    private void FinishOne(int index)
    {
        ref var slot = ref _table[index];
        var connection = new ConnectionRef(index, slot.Generation);
        var cause = slot.Cause;
        // What is dropped must not look like an orderly end, and a peer that does not read must not hold the kernel's memory.
        var abort = cause is CloseCause.SlowConsumer or CloseCause.PeerReset || slot.Output is not null;
        if (slot.Gathered != 0)
            abort = !OfferGathered(ref slot, abort);
        if (slot.Input is { } input)
            _core.ReturnQueue(input);
        if (slot.Output is { } output)
            Abandon(output);
        slot.Input = null;
        slot.Output = null;
        slot.Gathered = 0;
        slot.OutputBytes = 0;
        _wheel.Clear(index);
        CloseWire(slot.Wire!, abort);
        _metrics.Closed(cause);
        try
        {
            _handler.Closed(connection, cause);
        }
        catch (Exception exception)
        {
            TransportLog.HandlerFault(_logger, nameof(IConnectionHandler.Closed), connection, Index, exception);
        }
        _table.Release(index);
    }

    // The turn's output gets its one write also when the turn ends the connection. True when all of it has left.
    private bool OfferGathered(ref ConnectionSlot slot, bool abort)
    {
        ref var gathered = ref _gathered[slot.Gathered - 1];
        var bytes = gathered.Bytes;
        var sent = abort ? 0 : Math.Max(0, slot.Wire!.Send(bytes));
        _bytesOut += sent;
        var left = sent == bytes.Length;
        Vacate(ref gathered);
        return left;
    }

    private void Abandon(PipeQueue output)
    {
        _core.AddQueuedOutput(-output.Length);
        if (output.InFlight)
            output.Abandoned = true;
        else
            _core.ReturnQueue(output);
    }

    private void CloseWire(IWire wire, bool abort)
    {
        wire.Close(abort);
        Interlocked.Decrement(ref _load);
        _core.Unreserve();
    }
}
