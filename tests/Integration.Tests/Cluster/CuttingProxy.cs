using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>
/// A TCP proxy to one port whose connections a test resets, as a weak network does. Owns its listener and connections; the loops run on
/// pool threads; disposed by the test.
/// </summary>
internal sealed class CuttingProxy : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly int _target;
    private readonly ConcurrentDictionary<Socket, Socket> _pairs = new();
    private readonly Task _accepting;

    private CuttingProxy(Socket listener, int target)
    {
        (_listener, _target) = (listener, target);
        _accepting = AcceptAsync();
    }

    public string Address => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}";

    public static Task<CuttingProxy> StartAsync(int target)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, TestSupport.FreePorts.Take(1)[0]));
        listener.Listen();
        return Task.FromResult(new CuttingProxy(listener, target));
    }

    /// <summary>Resets every connection at both ends.</summary>
    public void CutAll()
    {
        foreach (var (client, server) in _pairs)
        {
            _pairs.TryRemove(client, out _);
            client.Close(0);
            server.Close(0);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        CutAll();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync();
                var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                await server.ConnectAsync(IPAddress.Loopback, _target);
                _pairs[client] = server;
                _ = PumpAsync(client, server);
                _ = PumpAsync(server, client);
            }
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The listener was closed.
        }
    }

    private static async Task PumpAsync(Socket from, Socket to)
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer) is var count and > 0)
                await to.SendAsync(buffer.AsMemory(0, count));
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // Cut, or closed by an end.
            from.Dispose();
            to.Dispose();
        }
    }
}
