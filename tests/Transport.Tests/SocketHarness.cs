using System.Net.Sockets;
using PushSystem.Transport.Shards;
using PushSystem.Transport.Sockets;

namespace PushSystem.Transport.Tests;

internal sealed class SocketHarness : EngineHarness
{
    private SocketEngine? _engine;

    public override ITransportEngine Engine => Sockets;

    public override EngineCore Core => Sockets.Core;

    public override int RentedSenders => Sockets.RentedSenders;

    private SocketEngine Sockets => _engine ??= new SocketEngine(Options, Loggers, Clock);

    protected override async Task<IPeer> OpenAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
            // Small, so that output backs up at the engine early.
            ReceiveBufferSize = 16 * 1024,
        };
        await socket.ConnectAsync(Engine.EndPoints[0]);
        return new SocketPeer(socket);
    }
}

internal sealed class SocketPeer(Socket socket) : IPeer
{
    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await socket.SendAsync(bytes)..];
    }

    public async Task<byte[]> ReadAsync(int count)
    {
        var bytes = new byte[count];
        for (var filled = 0; filled < count;)
        {
            var read = await socket.ReceiveAsync(bytes.AsMemory(filled));
            if (read == 0)
                throw new EndOfStreamException($"The connection ended after {filled} of {count} bytes");
            filled += read;
        }
        return bytes;
    }

    public async Task<long> ReadToEndAsync()
    {
        var buffer = new byte[64 * 1024];
        long total = 0;
        while (await socket.ReceiveAsync(buffer) is var read && read > 0)
            total += read;
        return total;
    }

    // A socket whose owner does not receive does not read.
    public void StopReading()
    {
    }

    public void ContinueReading()
    {
    }

    public void Close()
    {
        socket.Shutdown(SocketShutdown.Send);
    }

    public void Reset()
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public void Dispose() => socket.Dispose();
}
