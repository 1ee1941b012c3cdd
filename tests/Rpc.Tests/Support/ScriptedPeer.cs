using System.Net;
using System.Net.Sockets;
using PushSystem.Rpc.Wire;
using PushSystem.TestSupport;

namespace PushSystem.Rpc.Tests.Support;

/// <summary>A peer that does exactly what a test says, byte by byte, on either side of a real connection. It owns the socket.</summary>
internal sealed class ScriptedPeer : IDisposable
{
    private readonly Socket _socket;
    private readonly FrameInput _input = new(1 << 20);

    private ScriptedPeer(Socket socket)
    {
        _socket = socket;
        _socket.NoDelay = true;
        Wire = new SocketWire(socket);
    }

    public IWire Wire { get; }

    /// <summary>Connects without a handshake.</summary>
    public static async Task<ScriptedPeer> ConnectAsync(int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return new ScriptedPeer(socket);
    }

    /// <summary>Connects as an honest node.</summary>
    public static async Task<ScriptedPeer> JoinAsync(NodePair pair, string nodeId = "scripted")
    {
        var peer = await ConnectAsync(pair.Server.EndPoint.Port);
        await Waiting.For(Handshake.ConnectAsync(peer.Wire, "server", NodePair.Options(nodeId), CancellationToken.None), "the handshake");
        return peer;
    }

    /// <summary>Takes the next connection of a listener, without a handshake.</summary>
    public static async Task<ScriptedPeer> AcceptAsync(Socket listener) => new(await Waiting.For(listener.AcceptAsync(), "a connection"));

    /// <summary>Takes the next connection of a listener as an honest server.</summary>
    public static async Task<ScriptedPeer> ServeAsync(Socket listener, string nodeId = "server")
    {
        var peer = await AcceptAsync(listener);
        await Waiting.For(Handshake.AcceptAsync(peer.Wire, NodePair.Options(nodeId), _ => Refusal.None, CancellationToken.None), "the handshake");
        return peer;
    }

    public static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(256);
        return listener;
    }

    public static int PortOf(Socket listener) => ((IPEndPoint)listener.LocalEndPoint!).Port;

    public async Task SendAsync(ReadOnlyMemory<byte> bytes) => await Wire.SendAsync(bytes, CancellationToken.None);

    public Task RequestAsync(long id, ushort method, uint remaining, ReadOnlySpan<byte> body) => SendAsync(Request(id, method, remaining, body));

    public Task ReplyAsync(long id, RpcStatus status, ReadOnlySpan<byte> body)
    {
        var frame = new byte[NodeFrame.HeaderBytes + body.Length];
        body.CopyTo(frame.AsSpan(NodeFrame.HeaderBytes));
        NodeFrame.WriteHeader(frame, FrameKind.Reply, (byte)status, 0, id);
        return SendAsync(frame);
    }

    public Task ControlAsync(FrameKind kind, long id)
    {
        var frame = new byte[NodeFrame.HeaderBytes];
        NodeFrame.WriteHeader(frame, kind, 0, 0, id);
        return SendAsync(frame);
    }

    public static byte[] Request(long id, ushort method, uint remaining, ReadOnlySpan<byte> body)
    {
        var frame = new byte[NodeFrame.RequestHeaderBytes + body.Length];
        body.CopyTo(frame.AsSpan(NodeFrame.RequestHeaderBytes));
        NodeFrame.WriteRequest(frame, method, id, remaining);
        return frame;
    }

    /// <summary>The next frame; null at the end of the connection, however it ends.</summary>
    public async Task<SeenFrame?> NextAsync(string phase)
    {
        while (true)
        {
            if (_input.TryRead(out var frame))
                return new SeenFrame(frame.Kind, frame.Id, frame.Method, frame.Status, frame.Kind == FrameKind.Request ? frame.Remaining : 0, frame.Body.ToArray());
            int count;
            try
            {
                count = await Waiting.For(Wire.ReceiveAsync(_input.Free(), CancellationToken.None).AsTask(), phase);
            }
            catch (SocketException)
            {
                return null;
            }
            if (count == 0)
                return null;
            _input.Received(count);
        }
    }

    /// <summary>The next frame that is not a ping.</summary>
    public async Task<SeenFrame> ExpectAsync(string phase)
    {
        while (true)
        {
            var frame = await NextAsync(phase);
            Assert.NotNull(frame);
            if (frame.Kind != FrameKind.Ping)
                return frame;
        }
    }

    /// <summary>Waits until the other side has closed.</summary>
    public async Task ExpectEndAsync(string phase)
    {
        while (await NextAsync(phase) is not null)
        {
        }
    }

    /// <summary>Ends the connection with a reset, as a dying machine does.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public void Dispose() => _socket.Dispose();
}

/// <summary>A frame with a copy of its body.</summary>
internal sealed record SeenFrame(FrameKind Kind, long Id, ushort Method, RpcStatus Status, uint Remaining, byte[] Body);
