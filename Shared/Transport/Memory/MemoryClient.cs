using System.Net;

namespace PushSystem.Transport.Memory;

/// <summary>
/// The peer's end of a <see cref="MemoryEngine"/> connection. Any thread may use it, one reader at a time. With manual turns the
/// engine sees what happens here, and this end sees the answer, in the next <see cref="MemoryEngine.RunUntilIdle"/>.
/// </summary>
public sealed class MemoryClient
{
    /// <summary>Unread bytes a client holds before the engine's output has to wait, unless <see cref="StopReading"/> says less.</summary>
    public const int DefaultCapacity = 16 * 1024 * 1024;

    private readonly MemoryWire _wire;

    internal MemoryClient(MemoryWire wire) => _wire = wire;

    /// <summary>The address the handler was told.</summary>
    public IPEndPoint EndPoint => _wire.Remote;

    /// <summary>Completes when the engine has closed the connection. What was sent before can still be read.</summary>
    public Task Closed => _wire.ClosedByServer;

    /// <summary>The engine has closed the connection.</summary>
    public bool IsClosed => Closed.IsCompleted;

    /// <summary>Bytes that have arrived here and have not been read.</summary>
    public int Unread => _wire.Unread;

    /// <summary>Sends bytes; after the end of the connection they are lost.</summary>
    public void Send(ReadOnlySpan<byte> bytes) => _wire.ClientSend(bytes);

    /// <summary>Everything that has arrived and was not read yet; empty when nothing has.</summary>
    public byte[] TakeReceived() => _wire.ClientTake();

    /// <summary>Waits for bytes and reads what is there. 0 when the engine has closed and everything was read.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _wire.ClientReadAsync(buffer, cancellationToken);

    /// <summary>Reads exactly <paramref name="count"/> bytes; <see cref="EndOfStreamException"/> when the connection ends before.</summary>
    public async Task<byte[]> ReadExactlyAsync(int count, CancellationToken cancellationToken = default)
    {
        var bytes = new byte[count];
        for (var filled = 0; filled < count;)
        {
            var read = await ReadAsync(bytes.AsMemory(filled), cancellationToken);
            if (read == 0)
                throw new EndOfStreamException($"The connection ended after {filled} of {count} bytes");
            filled += read;
        }
        return bytes;
    }

    /// <summary>Holds at most <paramref name="capacity"/> unread bytes from now on, so that further output backs up at the engine.</summary>
    public void StopReading(int capacity = 0) => _wire.SetClientCapacity(capacity);

    /// <summary>Ends <see cref="StopReading"/>: takes up to <see cref="DefaultCapacity"/> again.</summary>
    public void ContinueReading() => _wire.SetClientCapacity(DefaultCapacity);

    /// <summary>Ends the connection orderly; the engine still gets what was sent before.</summary>
    public void Close() => _wire.ClientClose(reset: false);

    /// <summary>Breaks the connection; what the engine has not read is lost.</summary>
    public void Reset() => _wire.ClientClose(reset: true);
}
