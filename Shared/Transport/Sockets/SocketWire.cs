using System.Net;
using System.Net.Sockets;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Sockets;

/// <summary>
/// One socket of a shard. It is itself the operation that waits for input, with no buffer, and itself the shard's work item:
/// that and the socket are all an idle connection costs. It owns the socket; only the shard's turn uses it, except
/// <see cref="OnCompleted"/>; it disposes itself after <see cref="Close"/> when its operations have ended.
/// </summary>
internal sealed class SocketWire(Shard shard, SocketSenderPool senders, Socket socket, IPEndPoint remote)
    : SocketAsyncEventArgs(true), IWire, IWorkItem
{
    // Unread input would make the kernel answer a close with a reset, which can cost the peer our last frames.
    private const int MaxDrainedAtClose = 64 * 1024;

    private static readonly LingerOption AbortOption = new(enable: true, seconds: 0);

    private States _state;

    public IPEndPoint Remote { get; } = remote;

    public ConnectionRef Connection { get; set; } = ConnectionRef.None;

    public Socket Socket => socket;

    public IWorkItem? Next { get; set; }

    public void Run(Shard owner)
    {
        if ((_state & States.Adopted) == 0)
        {
            _state |= States.Adopted;
            owner.Accept(this);
            return;
        }
        _state &= ~States.Receiving;
        if ((_state & States.Closed) != 0)
            FinishWhenDone();
        else
            owner.Readable(Connection, SocketError != SocketError.Success);
    }

    public int Receive(Span<byte> buffer)
    {
        var received = socket.Receive(buffer, SocketFlags.None, out var error);
        return error switch
        {
            SocketError.Success => received,
            SocketError.WouldBlock => IWire.WouldBlock,
            _ => IWire.Failed,
        };
    }

    public int Send(ReadOnlySpan<byte> bytes)
    {
        var sent = socket.Send(bytes, SocketFlags.None, out var error);
        return error is SocketError.Success or SocketError.WouldBlock ? sent : IWire.Failed;
    }

    public void ArmReceive()
    {
        _state |= States.Receiving;
        if (!socket.ReceiveAsync(this))
            shard.Enqueue(this);
    }

    public void Requeue()
    {
        _state |= States.Receiving;
        shard.Enqueue(this);
    }

    public void BeginSend(PipeQueue queue, ReadOnlyMemory<byte> bytes)
    {
        _state |= States.Sending;
        senders.Rent().Begin(this, queue, bytes);
    }

    /// <summary>A sender has ended its send and is about to report it, which may begin the next one.</summary>
    public void SendEnded() => _state &= ~States.Sending;

    public void Close(bool abort)
    {
        _state |= States.Closed;
        try
        {
            if (abort)
            {
                socket.LingerState = AbortOption;
                socket.Dispose();
            }
            else
            {
                Drain();
                // Disposing a socket under a running operation makes the runtime reset the connection. A shutdown ends the
                // operations as well, and the peer sees an orderly end.
                if ((_state & (States.Receiving | States.Sending)) != 0)
                    socket.Shutdown(SocketShutdown.Both);
            }
        }
        catch (SocketException)
        {
            // The peer has reset it meanwhile: nothing is left to be ended nicely.
            socket.Dispose();
        }
        FinishWhenDone();
    }

    protected override void OnCompleted(SocketAsyncEventArgs e) => shard.Enqueue(this);

    private void Drain()
    {
        Span<byte> unread = stackalloc byte[4096];
        for (var drained = 0; drained < MaxDrainedAtClose;)
        {
            var received = Receive(unread);
            if (received < unread.Length)
                return;
            drained += received;
        }
    }

    /// <summary>Ends the wire if it is closed and has no operation left.</summary>
    public void FinishWhenDone()
    {
        if (_state != (States.Adopted | States.Closed))
            return;
        _state |= States.Finished;
        socket.Dispose();
        Dispose();
        shard.WireFinished();
    }

    [Flags]
    private enum States : byte
    {
        None = 0,
        Adopted = 1,
        Receiving = 2,
        Sending = 4,
        Closed = 8,
        Finished = 16,
    }
}
