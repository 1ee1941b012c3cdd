using System.Net;
using System.Net.Sockets;
using PushSystem.Transport.Shards;

namespace PushSystem.Transport.Sockets;

/// <summary>A socket that is ready to be used without blocking, and its peer.</summary>
internal readonly record struct AcceptedSocket(Socket Socket, IPEndPoint Remote);

/// <summary>
/// One listening address and its accept loop. It owns the listening socket and the loop; it runs on the thread pool; the
/// engine disposes it, which ends the loop. A bad socket never ends the loop; when the process lacks resources it waits.
/// </summary>
internal sealed class ConnectionListener : IAsyncDisposable
{
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    private readonly Socket _socket;
    private readonly Func<CancellationToken, ValueTask<Socket>> _accept;
    private readonly Action<AcceptedSocket> _accepted;
    private readonly EngineCore _core;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private bool _disposed;

    /// <param name="accept">How the next socket is got; tests replace it.</param>
    internal ConnectionListener(Socket socket, Func<CancellationToken, ValueTask<Socket>> accept, Action<AcceptedSocket> accepted, EngineCore core, TimeProvider time)
    {
        _socket = socket;
        _accept = accept;
        _accepted = accepted;
        _core = core;
        _time = time;
        EndPoint = (IPEndPoint)socket.LocalEndPoint!;
    }

    /// <summary>The real address.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>Binds and listens, so that peers can queue. Throws <see cref="IOException"/> naming the address.</summary>
    public static ConnectionListener Listen(IPEndPoint endPoint, int backlog, Action<AcceptedSocket> accepted, EngineCore core, TimeProvider time)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (endPoint.Address.Equals(IPAddress.IPv6Any))
                socket.DualMode = true;
            socket.Bind(endPoint);
            socket.Listen(backlog);
            TransportLog.Listening(core.Logger, (IPEndPoint)socket.LocalEndPoint!);
            return new ConnectionListener(socket, socket.AcceptAsync, accepted, core, time);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new IOException($"Cannot listen on {endPoint}: {exception.SocketErrorCode}", exception);
        }
    }

    public void Start() => _loop = RunAsync();

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        await _stopping.CancelAsync();
        _socket.Dispose();
        await _loop;
        _stopping.Dispose();
        TransportLog.StoppedListening(_core.Logger, EndPoint);
    }

    private async Task RunAsync()
    {
        var stopping = _stopping.Token;
        try
        {
            await AcceptAsync(stopping);
        }
        catch (Exception) when (stopping.IsCancellationRequested)
        {
            // Stopping cancels the accept or disposes the socket under it; which exception says so does not matter.
        }
        catch (Exception exception)
        {
            TransportLog.AcceptLoopFault(_core.Logger, EndPoint, exception);
        }
    }

    private async Task AcceptAsync(CancellationToken stopping)
    {
        var wait = TimeSpan.Zero;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var socket = await _accept(stopping);
                wait = TimeSpan.Zero;
                Prepare(socket);
            }
            catch (SocketException exception) when (!stopping.IsCancellationRequested)
            {
                _core.Metrics.Refused(TransportMetrics.RefusalReason.AcceptFailed);
                if (!LacksResources(exception.SocketErrorCode))
                {
                    TransportLog.AcceptFailed(_core.Logger, EndPoint, exception.SocketErrorCode.ToString());
                    continue;
                }
                wait = TimeSpan.FromTicks(Math.Clamp(wait.Ticks * 2, ShortestWait.Ticks, LongestWait.Ticks));
                TransportLog.AcceptLacksResources(_core.Logger, EndPoint, exception.SocketErrorCode.ToString(), wait.TotalMilliseconds);
                await Task.Delay(wait, _time, stopping);
            }
        }
    }

    private void Prepare(Socket socket)
    {
        try
        {
            if (socket.RemoteEndPoint is not IPEndPoint remote)
                throw new SocketException((int)SocketError.NotConnected);
            socket.NoDelay = true;
            // Without this the runtime makes the synchronous calls of the shards wait, because the socket is used asynchronously too.
            socket.Blocking = false;
            _accepted(new AcceptedSocket(socket, remote));
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }

    private static bool LacksResources(SocketError error) =>
        error is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable or SocketError.ProcessLimit or SocketError.SystemNotReady;
}
