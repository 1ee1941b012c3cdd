using System.Net;
using System.Net.Sockets;

namespace PushSystem.Rpc.Tests.Support;

/// <summary>
/// Passes bytes on between clients and one server until it cuts all connections with a reset, in the middle of whatever is under way.
/// It owns the listener, the sockets and their loops; one test uses it and disposes it.
/// </summary>
internal sealed class CuttingProxy : IDisposable
{
    private readonly Socket _listener = ScriptedPeer.Listen();
    private readonly int _target;
    private readonly Lock _lock = new();
    private readonly HashSet<Socket> _sockets = [];
    private TaskCompletionSource? _enough;
    private long _allowance = long.MaxValue;
    private int _cuts;

    public CuttingProxy(int target)
    {
        _target = target;
        _ = AcceptAsync();
    }

    public int Port => ScriptedPeer.PortOf(_listener);

    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>Cuts everything when so many further bytes have passed.</summary>
    public async Task CutAfterAsync(long bytes)
    {
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            _enough = enough;
            _allowance = bytes;
        }
        await enough.Task;
        CutAll();
    }

    public void CutAll()
    {
        lock (_lock)
        {
            if (_sockets.Count > 0)
                _cuts++;
            foreach (var socket in _sockets)
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
            }
            _sockets.Clear();
            _enough?.TrySetResult();
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        CutAll();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync();
                var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                client.NoDelay = true;
                lock (_lock)
                {
                    _sockets.Add(client);
                    _sockets.Add(server);
                }
                _ = PassAsync(client, server);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task PassAsync(Socket client, Socket server)
    {
        try
        {
            await server.ConnectAsync(IPAddress.Loopback, _target);
            await Task.WhenAny(PumpAsync(client, server), PumpAsync(server, client));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Cut.
        }
        lock (_lock)
        {
            _sockets.Remove(client);
            _sockets.Remove(server);
        }
        client.Dispose();
        server.Dispose();
    }

    private async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[8_192];
        try
        {
            while (await from.ReceiveAsync(buffer) is > 0 and var count)
            {
                var part = count;
                lock (_lock)
                {
                    _allowance -= count;
                    if (_allowance < 0)
                    {
                        // Only a part of what is under way arrives.
                        part = (int)Math.Max(0, count + _allowance);
                        _allowance = long.MaxValue;
                        _enough?.TrySetResult();
                    }
                }
                await to.SendAsync(buffer.AsMemory(0, part));
                if (part < count)
                    return;
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}
