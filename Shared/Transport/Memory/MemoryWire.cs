using System.Net;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Memory;

/// <summary>
/// Two byte queues between a shard and a client. It owns both; the shard's turn uses the <see cref="IWire"/> side and any
/// thread the client's side, under one lock; nothing needs disposal.
/// </summary>
internal sealed class MemoryWire(Shard shard, IPEndPoint remote) : IWire, IWorkItem
{
    private readonly Lock _lock = new();
    private readonly PipeQueue _toServer = new();
    private readonly PipeQueue _toClient = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PendingSend _send = new();
    private TaskCompletionSource? _arrived;
    private int _capacity = MemoryClient.DefaultCapacity;
    private bool _adopted;
    private bool _armed;
    private bool _queued;
    private bool _clientEnded;
    private bool _clientReset;
    private bool _serverClosed;
    private bool _finished;

    public IPEndPoint Remote { get; } = remote;

    public ConnectionRef Connection { get; set; }

    public Task ClosedByServer => _closed.Task;

    public IWorkItem? Next { get; set; }

    public int Unread
    {
        get
        {
            lock (_lock)
                return _toClient.Length;
        }
    }

    public void Run(Shard owner)
    {
        if (!_adopted)
        {
            _adopted = true;
            owner.Accept(this);
            return;
        }
        bool reset;
        lock (_lock)
        {
            _queued = false;
            reset = _clientReset;
        }
        if (_serverClosed)
            FinishWhenDone();
        else
            owner.Readable(Connection, reset);
    }

    public int Receive(Span<byte> buffer)
    {
        lock (_lock)
        {
            if (_clientReset)
                return IWire.Failed;
            if (_toServer.Length == 0)
                return _clientEnded ? 0 : IWire.WouldBlock;
            return Move(_toServer, buffer);
        }
    }

    public int Send(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
            return _clientReset ? IWire.Failed : GiveClient(bytes);
    }

    public void ArmReceive()
    {
        lock (_lock)
        {
            _armed = true;
            WakeServer();
        }
    }

    public void Requeue()
    {
        lock (_lock)
            QueueSelf();
    }

    public void BeginSend(PipeQueue queue, ReadOnlyMemory<byte> bytes)
    {
        lock (_lock)
        {
            _send.Begin(this, queue, bytes);
            ContinueSend();
        }
    }

    public void Close(bool abort)
    {
        lock (_lock)
        {
            _serverClosed = true;
            _armed = false;
            ContinueSend();
            _arrived?.TrySetResult();
        }
        _closed.TrySetResult();
        FinishWhenDone();
    }

    /// <summary>Closes it before any shard has seen it.</summary>
    public void Refuse()
    {
        _serverClosed = true;
        _finished = true;
        _closed.TrySetResult();
    }

    public void ClientSend(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            if (_serverClosed || _clientEnded || bytes.IsEmpty)
                return;
            _toServer.Write(bytes);
            WakeServer();
        }
    }

    public byte[] ClientTake()
    {
        lock (_lock)
        {
            var bytes = new byte[_toClient.Length];
            if (bytes.Length > 0)
                Move(_toClient, bytes);
            ContinueSend();
            return bytes;
        }
    }

    public async ValueTask<int> ClientReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task arrived;
            lock (_lock)
            {
                if (_toClient.Length > 0)
                {
                    var read = Move(_toClient, buffer.Span);
                    ContinueSend();
                    return read;
                }
                if (_serverClosed || _clientEnded)
                    return 0;
                _arrived ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                arrived = _arrived.Task;
            }
            await arrived.WaitAsync(cancellationToken);
        }
    }

    public void SetClientCapacity(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        lock (_lock)
        {
            _capacity = capacity;
            ContinueSend();
        }
    }

    public void ClientClose(bool reset)
    {
        lock (_lock)
        {
            _clientEnded = true;
            _clientReset |= reset;
            WakeServer();
            ContinueSend();
            _arrived?.TrySetResult();
        }
    }

    // Below: under the lock, except FinishWhenDone, which runs on the turn and after the last use of the client's side matters.

    private static int Move(PipeQueue queue, Span<byte> buffer)
    {
        var available = queue.Read();
        var count = (int)Math.Min(available.Length, buffer.Length);
        var position = 0;
        foreach (var segment in available.Slice(0, count))
        {
            segment.Span.CopyTo(buffer[position..]);
            position += segment.Length;
        }
        queue.Consume(count);
        return count;
    }

    // What a client that has ended does not read is lost, as it would be on a real connection.
    private int GiveClient(ReadOnlySpan<byte> bytes)
    {
        if (_clientEnded)
            return bytes.Length;
        var taken = Math.Clamp(_capacity - _toClient.Length, 0, bytes.Length);
        if (taken == 0)
            return 0;
        _toClient.Write(bytes[..taken]);
        _arrived?.TrySetResult();
        _arrived = null;
        return taken;
    }

    private void WakeServer()
    {
        if (!_armed || (_toServer.Length == 0 && !_clientEnded))
            return;
        _armed = false;
        QueueSelf();
    }

    private void QueueSelf()
    {
        _queued = true;
        shard.Enqueue(this);
    }

    private void ContinueSend()
    {
        if (!_send.IsWaiting)
            return;
        var sent = _serverClosed || _clientReset ? IWire.Failed : GiveClient(_send.Bytes.Span);
        if (sent == 0)
            return;
        _send.Complete(sent);
        shard.Enqueue(_send);
    }

    private void FinishWhenDone()
    {
        bool done;
        lock (_lock)
        {
            done = _serverClosed && !_queued && !_send.IsBusy && !_finished;
            _finished |= done;
        }
        if (done)
            shard.WireFinished();
    }

    /// <summary>The wire's one send that waits for its client.</summary>
    private sealed class PendingSend : IWorkItem
    {
        private MemoryWire? _wire;
        private PipeQueue? _queue;
        private int _sent;

        public IWorkItem? Next { get; set; }

        public ReadOnlyMemory<byte> Bytes { get; private set; }

        /// <summary>Begun and its completion not seen by the shard yet.</summary>
        public bool IsBusy => _queue is not null;

        public bool IsWaiting { get; private set; }

        public void Begin(MemoryWire wire, PipeQueue queue, ReadOnlyMemory<byte> bytes)
        {
            _wire = wire;
            _queue = queue;
            Bytes = bytes;
            IsWaiting = true;
        }

        public void Complete(int sent)
        {
            _sent = sent;
            IsWaiting = false;
            Bytes = default;
        }

        public void Run(Shard owner)
        {
            var queue = _queue!;
            _queue = null;
            owner.SendCompleted(_wire!.Connection, queue, Math.Max(0, _sent), failed: _sent < 0);
            _wire.FinishWhenDone();
        }
    }
}
