using System.Runtime.CompilerServices;

namespace PushSystem.Transport.Shards;

// Output: gathered over the turn and written once per connection; only what the peer does not take at once is queued.
internal sealed partial class Shard
{
    // Frames of one turn are coalesced up to this size; a larger piece is written by itself, without a copy.
    private const int BatchBytes = 4096;
    // Connections with gathered output at a time: the bound on batch memory per shard is MaxGathered * BatchBytes.
    private const int MaxGathered = 256;
    // Written for one connection in one go once its peer reads again.
    private const int SendBudget = 256 * 1024;

    private readonly GatheredOutput[] _gathered = new GatheredOutput[MaxGathered];
    private readonly Stack<byte[]> _batches = [];
    private int _gatheredCount;
    private long _gatheredBytes;
    private int _rentedBatches;
    private long _bytesOut;

    /// <summary>Batch buffers in use now. Exact between turns.</summary>
    public int RentedBatches => Volatile.Read(ref _rentedBatches);

    private bool HasGathered => _gatheredCount > 0;

    /// <inheritdoc/>
    public SendStatus Send(ConnectionRef connection, ReadOnlySpan<byte> frames) => Take(connection, frames, default);

    /// <inheritdoc/>
    public SendStatus SendShared(ConnectionRef connection, ReadOnlyMemory<byte> frames) => Take(connection, frames.Span, frames);

    /// <inheritdoc/>
    public int PendingBytes(ConnectionRef connection)
    {
        AssertOnTurn();
        ref var slot = ref _table.Find(connection);
        return Unsafe.IsNullRef(ref slot) ? 0 : slot.OutputBytes;
    }

    private SendStatus Take(ConnectionRef connection, ReadOnlySpan<byte> frames, ReadOnlyMemory<byte> shared)
    {
        AssertOnTurn();
        ref var slot = ref _table.Find(connection);
        if (Unsafe.IsNullRef(ref slot) || (slot.State & SlotStates.Closing) != 0)
            return SendStatus.Gone;
        if (frames.IsEmpty)
            return SendStatus.Accepted;
        if (frames.Length > _options.MaxOutputBytes - slot.OutputBytes)
        {
            _metrics.OutputFull(total: false);
            return SendStatus.Full;
        }
        // What other shards have gathered in their running turns is not counted yet: that much the engine's limit may be exceeded.
        if (frames.Length > _options.MaxTotalOutputBytes - _core.QueuedOutput - _gatheredBytes)
        {
            _metrics.OutputFull(total: true);
            return SendStatus.Full;
        }
        if (slot.Gathered != 0 && _gathered[slot.Gathered - 1].Length + frames.Length > BatchBytes)
        {
            FlushOne(slot.Gathered - 1);
            if ((slot.State & SlotStates.Closing) != 0)
                return SendStatus.Gone;
        }
        if (slot.Output is not null)
            Queue(ref slot, frames);
        else if (slot.Gathered != 0)
            Gather(ref slot, ref _gathered[slot.Gathered - 1], frames);
        else if (shared.IsEmpty && frames.Length > BatchBytes)
            return WriteNow(ref slot, connection, frames) ? SendStatus.Accepted : SendStatus.Gone;
        else
            Gather(ref slot, connection, frames, shared);
        return SendStatus.Accepted;
    }

    private void Gather(ref ConnectionSlot slot, ConnectionRef connection, ReadOnlySpan<byte> frames, ReadOnlyMemory<byte> shared)
    {
        if (_gatheredCount == MaxGathered)
            FlushGathered();
        ref var gathered = ref _gathered[_gatheredCount++];
        gathered.Connection = connection;
        slot.Gathered = _gatheredCount;
        if (shared.IsEmpty)
        {
            Gather(ref slot, ref gathered, frames);
            return;
        }
        gathered.Shared = shared;
        gathered.Length = shared.Length;
        slot.OutputBytes += shared.Length;
        _gatheredBytes += shared.Length;
    }

    private void Gather(ref ConnectionSlot slot, ref GatheredOutput gathered, ReadOnlySpan<byte> frames)
    {
        if (gathered.Batch is null)
        {
            if (!_batches.TryPop(out var batch))
                batch = new byte[BatchBytes];
            _rentedBatches++;
            gathered.Shared.CopyTo(batch);
            gathered.Shared = default;
            gathered.Batch = batch;
        }
        frames.CopyTo(gathered.Batch.AsSpan(gathered.Length));
        gathered.Length += frames.Length;
        slot.OutputBytes += frames.Length;
        _gatheredBytes += frames.Length;
    }

    private void FlushGathered()
    {
        for (var index = 0; index < _gatheredCount; index++)
            FlushOne(index);
        _gatheredCount = 0;
    }

    private void FlushOne(int index)
    {
        ref var gathered = ref _gathered[index];
        ref var slot = ref _table.Find(gathered.Connection);
        if (!Unsafe.IsNullRef(ref slot))
        {
            slot.OutputBytes -= gathered.Length;
            slot.Gathered = 0;
            if ((slot.State & SlotStates.Finishing) == 0)
                WriteNow(ref slot, gathered.Connection, gathered.Bytes);
        }
        Vacate(ref gathered);
    }

    private void Vacate(ref GatheredOutput gathered)
    {
        _gatheredBytes -= gathered.Length;
        if (gathered.Batch is not null)
        {
            _batches.Push(gathered.Batch);
            _rentedBatches--;
        }
        gathered = default;
        gathered.Connection = ConnectionRef.None;
    }

    // Nothing waits for the connection. False when it turned out to be broken.
    private bool WriteNow(ref ConnectionSlot slot, ConnectionRef connection, ReadOnlySpan<byte> bytes)
    {
        var sent = slot.Wire!.Send(bytes);
        if (sent < 0)
        {
            Broken(ref slot, connection);
            return false;
        }
        _bytesOut += sent;
        if (sent < bytes.Length)
        {
            slot.Output = _core.RentQueue();
            Queue(ref slot, bytes[sent..]);
            _metrics.OutputWaits();
            BeginSend(ref slot);
        }
        else if ((slot.State & SlotStates.Lingering) != 0)
        {
            Finish(ref slot, connection.Slot, slot.Cause);
        }
        return true;
    }

    private void Queue(ref ConnectionSlot slot, ReadOnlySpan<byte> bytes)
    {
        slot.Output!.Write(bytes);
        slot.OutputBytes += bytes.Length;
        _core.AddQueuedOutput(bytes.Length);
    }

    // The head's segment only: its completion says that the peer reads again, and the rest follows without waiting.
    private static void BeginSend(ref ConnectionSlot slot)
    {
        var queue = slot.Output!;
        queue.InFlight = true;
        slot.Wire!.BeginSend(queue, queue.Read().First);
    }

    /// <summary>A send begun for <paramref name="queue"/> has ended.</summary>
    public void SendCompleted(ConnectionRef connection, PipeQueue queue, int sent, bool failed)
    {
        queue.InFlight = false;
        if (queue.Abandoned)
        {
            _core.ReturnQueue(queue);
            return;
        }
        ref var slot = ref _table.Find(connection);
        Left(ref slot, queue, sent);
        for (var budget = SendBudget; !failed && queue.Length > 0;)
        {
            var segment = queue.Read().First;
            sent = slot.Wire!.Send(segment.Span);
            failed = sent < 0;
            Left(ref slot, queue, Math.Max(0, sent));
            budget -= sent;
            if (!failed && (sent < segment.Length || budget <= 0) && queue.Length > 0)
            {
                BeginSend(ref slot);
                return;
            }
        }
        if (failed)
        {
            Broken(ref slot, connection);
            return;
        }
        slot.Output = null;
        _core.ReturnQueue(queue);
        if ((slot.State & SlotStates.Lingering) != 0)
            Finish(ref slot, connection.Slot, slot.Cause);
        else if ((slot.State & SlotStates.Closing) == 0)
            CallDrained(ref slot, connection);
    }

    private void Left(ref ConnectionSlot slot, PipeQueue queue, int sent)
    {
        queue.Consume(sent);
        slot.OutputBytes -= sent;
        _bytesOut += sent;
        _core.AddQueuedOutput(-sent);
    }

    private void CallDrained(ref ConnectionSlot slot, ConnectionRef connection)
    {
        try
        {
            _handler.Drained(connection);
        }
        catch (Exception exception)
        {
            Fault(ref slot, connection, nameof(IConnectionHandler.Drained), exception);
        }
    }

    private void ReportMetrics()
    {
        if ((_bytesIn | _bytesOut) == 0)
            return;
        _metrics.Moved(_bytesIn, _bytesOut);
        _bytesIn = 0;
        _bytesOut = 0;
    }

    /// <summary>What one connection sends at the end of the turn: either one shared piece or a batch of copies.</summary>
    private struct GatheredOutput
    {
        public ConnectionRef Connection;
        public ReadOnlyMemory<byte> Shared;
        public byte[]? Batch;
        public int Length;

        public readonly ReadOnlySpan<byte> Bytes => Batch is null ? Shared.Span : Batch.AsSpan(0, Length);
    }
}
