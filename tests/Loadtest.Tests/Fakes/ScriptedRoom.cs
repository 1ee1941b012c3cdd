using System.Buffers;
using System.Net;
using System.Net.Sockets;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Loadtest.Tests.Fakes;

/// <summary>A server socket that a test drives by hand, frame by frame.</summary>
internal sealed class ScriptedRoom : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);

    public ScriptedRoom() => _listener.Start(1_024);

    public IPEndPoint EndPoint => (IPEndPoint)_listener.LocalEndpoint;

    public async Task<ScriptedConnection> AcceptAsync() =>
        new(await Waiting.For(_listener.AcceptTcpClientAsync(), "a client connects"));

    /// <summary>Accepts, reads preface and LOGIN and answers.</summary>
    public async Task<(ScriptedConnection Connection, LoginMessage Login)> LoginAsync(
        StreamPosition mailbox = default, StreamPosition broadcast = default, int ackCount = 4, int ackDelay = 20, int heartbeat = 300)
    {
        var connection = await AcceptAsync();
        var login = await connection.ReadLoginAsync();
        await connection.WriteAsync(output => new LoginOkMessage(ScriptedConnection.Settings(ackCount, ackDelay, heartbeat),
            [new BindResult(ReasonCode.Ok, 0, mailbox, broadcast)]).Write(output));
        return (connection, login);
    }

    public void Dispose() => _listener.Dispose();
}

/// <summary>The server's end of one connection.</summary>
internal sealed class ScriptedConnection(TcpClient client) : IDisposable
{
    private readonly NetworkStream _stream = client.GetStream();
    private byte[] _pending = [];

    public static SessionSettings Settings(int ackCount, int ackDelay, int heartbeat) => new()
    {
        Version = 1,
        ConnectionId = 1,
        HeartbeatMinSeconds = 1,
        HeartbeatMaxSeconds = 600,
        HeartbeatDefaultSeconds = heartbeat,
        AckCount = ackCount,
        AckDelayMilliseconds = ackDelay,
        FrameLimit = 65_536,
        ServerTime = 0,
    };

    public async Task<LoginMessage> ReadLoginAsync()
    {
        var preface = new byte[Preface.Size];
        await Waiting.For(_stream.ReadExactlyAsync(preface).AsTask(), "the preface");
        var sequence = new ReadOnlySequence<byte>(preface);
        Assert.True(Preface.TryRead(ref sequence, out var read));
        Assert.Equal(Preface.Current, read);
        var (opcode, body) = await ReadAsync("LOGIN");
        Assert.Equal(Opcode.Login, opcode);
        return LoginMessage.Read(body);
    }

    /// <summary>The next frame.</summary>
    public async Task<(Opcode Opcode, byte[] Body)> ReadAsync(string what)
    {
        var buffer = new byte[4_096];
        while (true)
        {
            if (FrameReader.TryReadHeader(_pending, 65_536, out var opcode, out _, out var header, out var length) && _pending.Length - header >= length)
            {
                var body = _pending[header..(header + length)];
                _pending = _pending[(header + length)..];
                return (opcode, body);
            }
            var count = await Waiting.For(_stream.ReadAsync(buffer).AsTask(), what);
            if (count == 0)
                throw new EndOfStreamException($"the client closed instead of sending {what}");
            _pending = [.. _pending, .. buffer.AsSpan(0, count)];
        }
    }

    public async Task<AckMessage> ReadAckAsync()
    {
        var (opcode, body) = await ReadAsync("ACK");
        Assert.Equal(Opcode.Ack, opcode);
        return AckMessage.Read(body);
    }

    public async Task WriteAsync(Action<IBufferWriter<byte>> write, int pieceBytes = int.MaxValue)
    {
        var output = new ArrayBufferWriter<byte>();
        write(output);
        client.NoDelay = true;
        for (var at = 0; at < output.WrittenCount; at += Math.Min(pieceBytes, output.WrittenCount))
        {
            await _stream.WriteAsync(output.WrittenMemory.Slice(at, Math.Min(pieceBytes, output.WrittenCount - at)));
            await _stream.FlushAsync();
        }
    }

    public Task PushAsync(string payload, long seq, StreamKind stream = StreamKind.Mailbox, int pieceBytes = int.MaxValue) => WriteAsync(output =>
        new PushMessage { AppIndex = 0, Stream = stream, Seq = seq, Payload = System.Text.Encoding.UTF8.GetBytes(payload) }.Write(output), pieceBytes);

    /// <summary>True when the client has closed.</summary>
    public async Task<bool> ClosedAsync()
    {
        try
        {
            return await Waiting.For(_stream.ReadAsync(new byte[1]).AsTask(), "the client closes") == 0;
        }
        catch (IOException)
        {
            return true;
        }
    }

    public void Dispose() => client.Dispose();
}
