using System.Net.Sockets;
using System.Runtime.InteropServices;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Sockets;

/// <summary>
/// A send that waits for its peer; only slow connections have one. It belongs to its pool; only the shard's turn uses it,
/// except <see cref="OnCompleted"/>; the pool disposes it.
/// </summary>
internal sealed class SocketSender(Shard shard, SocketSenderPool pool) : SocketAsyncEventArgs(true), IWorkItem
{
    private SocketWire? _wire;
    private PipeQueue? _queue;

    public IWorkItem? Next { get; set; }

    public void Begin(SocketWire wire, PipeQueue queue, ReadOnlyMemory<byte> bytes)
    {
        _wire = wire;
        _queue = queue;
        // The runtime only reads from the buffer of a send.
        SetBuffer(MemoryMarshal.AsMemory(bytes));
        if (!wire.Socket.SendAsync(this))
            shard.Enqueue(this);
    }

    public void Run(Shard owner)
    {
        var wire = _wire!;
        var queue = _queue!;
        var sent = BytesTransferred;
        var failed = SocketError != SocketError.Success;
        _wire = null;
        _queue = null;
        SetBuffer(default);
        pool.Return(this);
        wire.SendEnded();
        owner.SendCompleted(wire.Connection, queue, sent, failed);
        wire.FinishWhenDone();
    }

    protected override void OnCompleted(SocketAsyncEventArgs e) => shard.Enqueue(this);
}

/// <summary>
/// The senders of one shard. It owns those at rest and keeps a bounded number of them; only the shard's turn uses it; the
/// engine disposes it after the shard has stopped.
/// </summary>
internal sealed class SocketSenderPool(Shard shard) : IDisposable
{
    private const int MaxRetained = 256;

    private readonly Stack<SocketSender> _idle = [];
    private int _rented;

    /// <summary>Senders in use. Any thread; exact between turns.</summary>
    public int Rented => Volatile.Read(ref _rented);

    public SocketSender Rent()
    {
        _rented++;
        return _idle.TryPop(out var sender) ? sender : new SocketSender(shard, this);
    }

    public void Return(SocketSender sender)
    {
        _rented--;
        if (_idle.Count < MaxRetained)
            _idle.Push(sender);
        else
            sender.Dispose();
    }

    public void Dispose()
    {
        while (_idle.TryPop(out var sender))
            sender.Dispose();
    }
}
