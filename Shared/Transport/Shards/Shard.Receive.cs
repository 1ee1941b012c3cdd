using System.Buffers;
using System.Runtime.CompilerServices;

namespace PushSystem.Transport.Shards;

// Input: read straight into the shard's one buffer and handed over from there; only what the handler leaves is copied.
internal sealed partial class Shard
{
    // One busy connection reads at most this much before the others have their turn.
    private const int ReceiveBudget = 64 * 1024;

    // For output that still waits when the peer has ended, milliseconds.
    private const int PeerEndedLinger = 1000;

    private readonly byte[] _receiveBuffer;
    private readonly List<ConnectionRef> _resuming = [];
    private readonly List<ConnectionRef> _resumingNow = [];
    private long _bytesIn;

    /// <summary>A wire's first item: it becomes a connection.</summary>
    public void Accept(IWire wire)
    {
        _wires++;
        if (_stopping)
        {
            wire.Connection = ConnectionRef.None;
            CloseWire(wire, abort: true);
            return;
        }
        var connection = _table.Add(wire);
        wire.Connection = connection;
        _metrics.Accepted();
        ref var slot = ref _table[connection.Slot];
        try
        {
            _handler.Accepted(connection, wire.Remote);
        }
        catch (Exception exception)
        {
            Fault(ref slot, connection, nameof(IConnectionHandler.Accepted), exception);
        }
        if ((slot.State & SlotStates.Closing) == 0)
            Arm(ref slot);
    }

    /// <summary>A wire's receive was armed and has something to read, or has failed.</summary>
    public void Readable(ConnectionRef connection, bool failed)
    {
        ref var slot = ref _table.Find(connection);
        if (Unsafe.IsNullRef(ref slot))
            return;
        slot.State &= ~SlotStates.Receiving;
        if ((slot.State & SlotStates.Closing) != 0)
        {
            if (failed)
                Finish(ref slot, connection.Slot, slot.Cause);
            return;
        }
        if (failed)
            Finish(ref slot, connection.Slot, CloseCause.PeerReset);
        else
            Receive(ref slot, connection);
    }

    /// <inheritdoc/>
    public void PauseReceive(ConnectionRef connection)
    {
        AssertOnTurn();
        ref var slot = ref _table.Find(connection);
        if (!Unsafe.IsNullRef(ref slot))
            slot.State |= SlotStates.Paused;
    }

    /// <inheritdoc/>
    public void ResumeReceive(ConnectionRef connection)
    {
        AssertOnTurn();
        ref var slot = ref _table.Find(connection);
        if (Unsafe.IsNullRef(ref slot) || (slot.State & SlotStates.Paused) == 0)
            return;
        slot.State &= ~SlotStates.Paused;
        if ((slot.State & (SlotStates.Resuming | SlotStates.Closing)) != 0)
            return;
        slot.State |= SlotStates.Resuming;
        _resuming.Add(connection);
    }

    private void ResumePaused()
    {
        if (_resuming.Count == 0)
            return;
        // Those that pause and resume again in here wait for the next turn.
        _resumingNow.AddRange(_resuming);
        _resuming.Clear();
        foreach (var connection in _resumingNow)
        {
            ref var slot = ref _table.Find(connection);
            if (Unsafe.IsNullRef(ref slot))
                continue;
            slot.State &= ~SlotStates.Resuming;
            if ((slot.State & (SlotStates.Paused | SlotStates.Closing)) != 0)
                continue;
            if (slot.Input is not null && !HandOver(ref slot, connection))
                continue;
            if ((slot.State & SlotStates.PeerEnded) != 0)
                EndOfInput(ref slot, connection);
            else if ((slot.State & SlotStates.Receiving) == 0)
                Receive(ref slot, connection);
        }
        _resumingNow.Clear();
    }

    private void Receive(ref ConnectionSlot slot, ConnectionRef connection)
    {
        for (var budget = ReceiveBudget; budget > 0;)
        {
            var space = _options.MaxInputBytes - (slot.Input?.Length ?? 0);
            if (space <= 0)
                return; // Paused, or it would have been closed: the kernel's buffer fills and TCP pushes back.
            var buffer = _receiveBuffer.AsSpan(0, Math.Min(_receiveBuffer.Length, space));
            var received = slot.Wire!.Receive(buffer);
            if (received <= 0)
            {
                NothingReceived(ref slot, connection, received);
                return;
            }
            budget -= received;
            _bytesIn += received;
            if (!Deliver(ref slot, connection, received))
                return;
            if (received < buffer.Length)
            {
                Arm(ref slot);
                return;
            }
        }
        slot.State |= SlotStates.Receiving;
        slot.Wire!.Requeue();
    }

    private void NothingReceived(ref ConnectionSlot slot, ConnectionRef connection, int received)
    {
        if (received == IWire.WouldBlock)
            Arm(ref slot);
        else if (received != 0)
            Finish(ref slot, connection.Slot, CloseCause.PeerReset);
        else
            EndOfInput(ref slot, connection);
    }

    // What the peer sent before it ended is still handed over once the handler wants it, and what waits for the peer may still
    // leave: it may have ended only its own direction. If it does not take it, that send fails and tells.
    private void EndOfInput(ref ConnectionSlot slot, ConnectionRef connection)
    {
        if (slot.Input is not null && (slot.State & (SlotStates.Paused | SlotStates.Resuming)) != 0)
            slot.State |= SlotStates.PeerEnded;
        else
            Close(connection, CloseCause.PeerClosed, PeerEndedLinger);
    }

    private void Arm(ref ConnectionSlot slot)
    {
        slot.State |= SlotStates.Receiving;
        slot.Wire!.ArmReceive();
    }

    // False when the connection has been closed.
    private bool Deliver(ref ConnectionSlot slot, ConnectionRef connection, int received)
    {
        var paused = (slot.State & SlotStates.Paused) != 0;
        if (slot.Input is null && !paused)
        {
            var input = new ReadOnlySequence<byte>(_receiveBuffer, 0, received);
            if (!CallReceived(ref slot, connection, ref input))
                return false;
            if (input.IsEmpty)
                return true;
            slot.Input = _core.RentQueue();
            slot.Input.Write(input);
            return CheckInputLimit(ref slot, connection);
        }
        slot.Input ??= _core.RentQueue();
        slot.Input.Write(_receiveBuffer.AsSpan(0, received));
        return paused || HandOver(ref slot, connection);
    }

    private bool HandOver(ref ConnectionSlot slot, ConnectionRef connection)
    {
        var queue = slot.Input!;
        var input = queue.Read();
        var open = CallReceived(ref slot, connection, ref input);
        queue.Consume(open ? queue.Length - input.Length : 0);
        if (!open)
            return false;
        if (queue.Length == 0)
        {
            slot.Input = null;
            _core.ReturnQueue(queue);
            return true;
        }
        return CheckInputLimit(ref slot, connection);
    }

    private bool CheckInputLimit(ref ConnectionSlot slot, ConnectionRef connection)
    {
        if (slot.Input!.Length < _options.MaxInputBytes || (slot.State & SlotStates.Paused) != 0)
            return true;
        TransportLog.InputLimitReached(_logger, connection, Index, slot.Input.Length);
        Finish(ref slot, connection.Slot, CloseCause.ProtocolError);
        return false;
    }

    private bool CallReceived(ref ConnectionSlot slot, ConnectionRef connection, ref ReadOnlySequence<byte> input)
    {
        var length = input.Length;
        try
        {
            _handler.Received(connection, ref input);
            if (input.Length > length)
                throw new InvalidOperationException("The handler left more input than it was given.");
        }
        catch (Exception exception)
        {
            Fault(ref slot, connection, nameof(IConnectionHandler.Received), exception);
        }
        return (slot.State & SlotStates.Closing) == 0;
    }
}
