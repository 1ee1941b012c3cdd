using System.Buffers;
using System.Net.Sockets;
using System.Threading.Channels;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using WirePush = PushSystem.Protocol.PushMessage;

namespace PushSystem.Client.Tests.Support;

/// <summary>A frame from the client.</summary>
internal sealed record ClientFrame(Opcode Opcode, byte[] Body);

/// <summary>
/// The room's end of one connection: reads the client's frames in the background, sends what the test says, closes when the client
/// has closed its half.
/// </summary>
internal sealed class FakeConnection : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly Channel<ClientFrame> _frames = Channel.CreateUnbounded<ClientFrame>();
    private readonly TaskCompletionSource<Preface> _preface = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _reading;

    public FakeConnection(Socket socket)
    {
        _socket = socket;
        _reading = ReadLoopAsync();
    }

    public static SessionSettings DefaultSettings { get; } = new()
    {
        Version = 1,
        Features = Features.Resume | Features.Upstream,
        ConnectionId = 7,
        ResumeTicket = new byte[] { 1, 2, 3 },
        ResumeSeconds = 30,
        HeartbeatMinSeconds = 30,
        HeartbeatMaxSeconds = 600,
        HeartbeatDefaultSeconds = 120,
        AckCount = 10,
        AckDelayMilliseconds = 500,
        FrameLimit = 66 * 1024,
        ServerTime = 0,
    };

    public static BindResult Bound(int index, StreamPosition? mailbox = null, StreamPosition? broadcast = null) =>
        new(ReasonCode.Ok, index, mailbox ?? new StreamPosition(1, 0), broadcast ?? new StreamPosition(1, 0));

    public static BindResult Refused(ReasonCode code) => new(code, 0, default, default);

    /// <summary>Reads preface and LOGIN.</summary>
    public async Task<LoginMessage> ReadLoginAsync()
    {
        Assert.Equal(Preface.Current, await Waiting.For(_preface.Task, "the preface"));
        return LoginMessage.Read(await ReadAsync(Opcode.Login));
    }

    /// <summary>Reads preface and LOGIN and binds everything with the indexes 0, 1, … unless other results are given.</summary>
    public async Task<LoginMessage> LoginAsync(SessionSettings? settings = null, params BindResult[] results)
    {
        var login = await ReadLoginAsync();
        if (results.Length == 0)
            results = [.. login.Bindings.Select((_, i) => Bound(i))];
        await SendAsync(new LoginOkMessage(settings ?? DefaultSettings, results).Write);
        return login;
    }

    /// <summary>Reads preface and RESUME.</summary>
    public async Task<ResumeMessage> ReadResumeAsync()
    {
        await Waiting.For(_preface.Task, "the preface");
        return ResumeMessage.Read(await ReadAsync(Opcode.Resume));
    }

    /// <summary>The next frame, which has to be of this kind.</summary>
    public async Task<byte[]> ReadAsync(Opcode opcode)
    {
        var frame = await NextAsync($"frame {opcode}");
        Assert.Equal(opcode, frame.Opcode);
        return frame.Body;
    }

    public async Task<AckMessage> ReadAckAsync() => AckMessage.Read(await ReadAsync(Opcode.Ack));

    public async Task<ClientFrame> NextAsync(string phase) => await Waiting.For(_frames.Reader.ReadAsync().AsTask(), phase);

    /// <summary>Frames that have arrived and were not read by the test.</summary>
    public int Unread => _frames.Reader.Count;

    public async Task SendAsync(params Action<IBufferWriter<byte>>[] writes)
    {
        var output = new ArrayBufferWriter<byte>();
        foreach (var write in writes)
            write(output);
        await SendBytesAsync(output.WrittenMemory);
    }

    public async Task SendBytesAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None)..];
    }

    public Task PushAsync(long seq, string text = "", int index = 0, StreamKind stream = StreamKind.Mailbox) =>
        SendAsync(output => Push(output, seq, text, index, stream));

    public static void Push(IBufferWriter<byte> output, long seq, string text, int index = 0, StreamKind stream = StreamKind.Mailbox) =>
        new WirePush
        {
            AppIndex = index,
            Stream = stream,
            Seq = seq,
            Kind = PayloadKind.Text,
            Payload = System.Text.Encoding.UTF8.GetBytes(text.Length == 0 ? $"{stream} {seq}" : text),
        }.Write(output);

    public Task ResetAsync(uint epoch, long first, ResetReason reason, int index = 0, StreamKind stream = StreamKind.Mailbox) =>
        SendAsync(new ResetMessage(index, stream, epoch, first, reason).Write);

    /// <summary>Waits until the client has closed its half.</summary>
    public async Task ClosedAsync(string phase)
    {
        while (await Waiting.For(_frames.Reader.WaitToReadAsync().AsTask(), $"{phase}: the client closes"))
            _frames.Reader.TryRead(out _);
    }

    /// <summary>Closes in good order.</summary>
    public void Close()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client was first.
        }
        _socket.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _reading;
    }

    private async Task ReadLoopAsync()
    {
        var buffer = new byte[64 * 1024];
        var pending = Array.Empty<byte>();
        var prefaceRead = false;
        try
        {
            while (true)
            {
                var read = await _socket.ReceiveAsync(buffer, SocketFlags.None);
                if (read == 0)
                    break;
                var input = new ReadOnlySequence<byte>([.. pending, .. buffer.AsSpan(0, read)]);
                if (!prefaceRead && (prefaceRead = Preface.TryRead(ref input, out var preface)))
                    _preface.TrySetResult(preface);
                while (prefaceRead && FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame))
                    _frames.Writer.TryWrite(new ClientFrame(frame.Opcode, frame.Body.ToArray()));
                pending = input.ToArray();
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // A reset or the end of the test.
        }
        _frames.Writer.TryComplete();
        _socket.Dispose();
    }
}
