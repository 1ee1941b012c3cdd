using System.Buffers;
using System.Threading.Channels;
using PushSystem.Client.Delivery;
using PushSystem.Protocol;

namespace PushSystem.Client.Connections;

/// <summary>
/// Frames on their way to the socket: any thread adds, one loop writes all that has gathered at once. Its size is bounded by what is put
/// in: upstream messages by the outbox, one ACK per stream, one PING and one BIND or UNBIND per binding at a time.
/// Owns two buffers; disposed with the connection (nothing to release).
/// </summary>
internal sealed class FrameOutput(Stream stream, TimeProvider time)
{
    private const int KeptBufferBytes = 64 * 1024;

    private readonly Lock _lock = new();
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });
    private ArrayBufferWriter<byte> _gathering = new(256), _writing = new(256);
    private long _lastSent = time.GetTimestamp();

    /// <summary>Timestamp of the last frame that was added.</summary>
    public long LastSent => Volatile.Read(ref _lastSent);

    /// <summary>Set when login is done; asked for acknowledgements before each write.</summary>
    public AckBatcher? Acks { get; set; }

    /// <summary>Adds one or more frames that stay together.</summary>
    public void Write(Action<IBufferWriter<byte>> write)
    {
        lock (_lock)
            write(_gathering);
        Volatile.Write(ref _lastSent, time.GetTimestamp());
        Wake();
    }

    /// <summary>Makes the loop look for acknowledgements.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>No more frames: <see cref="RunAsync"/> ends when what was added is written.</summary>
    public void Complete() => _wake.Writer.TryComplete();

    /// <summary>The send loop. Throws what the stream throws.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (await _wake.Reader.WaitToReadAsync(cancellationToken))
        {
            _wake.Reader.TryRead(out _);
            await FlushAsync(force: false, cancellationToken);
        }
        await FlushAsync(force: true, cancellationToken);
    }

    /// <summary>Writes acknowledgements of active sessions behind what was added.</summary>
    public static void WriteAcks(IBufferWriter<byte> output, List<ReadyAck> acks)
    {
        foreach (var ack in acks)
        {
            if (ack.Session.Status == SessionStatus.Active)
                ack.Message.Write(output);
        }
    }

    private async Task FlushAsync(bool force, CancellationToken cancellationToken)
    {
        var acks = Acks?.Take(force);
        lock (_lock)
        {
            if (acks is { Count: > 0 })
            {
                WriteAcks(_gathering, acks);
                Volatile.Write(ref _lastSent, time.GetTimestamp());
            }
            (_gathering, _writing) = (_writing, _gathering);
        }
        if (_writing.WrittenCount == 0)
            return;
        await stream.WriteAsync(_writing.WrittenMemory, cancellationToken);
        if (_writing.Capacity > KeptBufferBytes)
            _writing = new ArrayBufferWriter<byte>(256);
        else
            _writing.ResetWrittenCount();
    }
}
