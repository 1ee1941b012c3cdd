using System.Net.Security;
using System.Net.Sockets;

namespace PushSystem.Rpc.Wire;

/// <summary>
/// The bytes of one connection, plain or in TLS. One receive and one send at a time; <see cref="Abort"/> from any thread, more than once.
/// </summary>
internal interface IWire
{
    /// <summary>SHA-256 of the server's certificate, or zeros without TLS: bound into the handshake.</summary>
    ReadOnlyMemory<byte> ChannelBinding { get; }

    /// <summary>At least one byte, or 0 at the end.</summary>
    ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>All bytes.</summary>
    ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken);

    /// <summary>Closes at once; pending operations fail.</summary>
    void Abort();
}

/// <summary>A plain TCP connection. It owns the socket.</summary>
internal sealed class SocketWire(Socket socket) : IWire
{
    public ReadOnlyMemory<byte> ChannelBinding { get; } = new byte[HandshakeProof.BindingBytes];

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);

    public ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        var sending = socket.SendAsync(bytes, SocketFlags.None, cancellationToken);
        if (!sending.IsCompletedSuccessfully)
            return SendRestAsync(sending, bytes, cancellationToken);
        var sent = sending.Result;
        return sent == bytes.Length ? default : SendRestAsync(new ValueTask<int>(sent), bytes, cancellationToken);
    }

    public void Abort() => socket.Dispose();

    private async ValueTask SendRestAsync(ValueTask<int> sending, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        for (var sent = await sending; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes[sent..], SocketFlags.None, cancellationToken);
    }
}

/// <summary>A TCP connection in TLS. It owns the stream and with it the socket.</summary>
internal sealed class TlsWire(SslStream stream, ReadOnlyMemory<byte> certificateHash) : IWire
{
    public ReadOnlyMemory<byte> ChannelBinding { get; } = certificateHash;

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) => stream.ReadAsync(buffer, cancellationToken);

    public ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => stream.WriteAsync(bytes, cancellationToken);

    public void Abort() => stream.Dispose();
}
