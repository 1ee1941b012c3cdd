using System.Net;
using System.Net.Sockets;
using PushSystem.TestSupport;

namespace PushSystem.Client.Tests.Support;

/// <summary>A room that does what the test says: listens on a loopback port of its own, one scripted connection after the other.</summary>
internal sealed class FakeRoom : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<FakeConnection> _connections = [];

    public FakeRoom()
    {
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
    }

    public int Port { get; }
    public string Address => $"127.0.0.1:{Port}";

    /// <summary>The next connection of a client; its preface is not read yet.</summary>
    public async Task<FakeConnection> AcceptAsync(string phase = "connect")
    {
        var socket = await Waiting.For(_listener.AcceptSocketAsync(), $"{phase}: a connection to the room");
        socket.NoDelay = true;
        var connection = new FakeConnection(socket);
        _connections.Add(connection);
        return connection;
    }

    /// <summary>Whether a client is waiting to be accepted.</summary>
    public bool IsAsked => _listener.Pending();

    /// <summary>From now on connects are refused.</summary>
    public void Close() => _listener.Stop();

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        foreach (var connection in _connections)
            await connection.DisposeAsync();
    }
}
