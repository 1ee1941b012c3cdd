using System.Buffers;
using System.Text;
using PushSystem.Protocol;
using PushSystem.Transport.Memory;

namespace PushSystem.Room.Tests.Support;

/// <summary>A client of the native protocol that does only what the test says.</summary>
internal sealed class TestClient(RoomWorld world, MemoryClient wire)
{
    private readonly Queue<ReceivedFrame> _frames = new();
    private ReadOnlySequence<byte> _rest;

    public MemoryClient Wire { get; } = wire;

    public byte[] ResumeTicket { get; private set; } = [];

    public ulong ConnectionId { get; private set; }

    public TestClient Send(Action<IBufferWriter<byte>> write)
    {
        var output = new ArrayBufferWriter<byte>();
        write(output);
        Wire.Send(output.WrittenSpan);
        world.Run();
        return this;
    }

    public TestClient SendPreface(byte lowest = 1, byte highest = 1) => Send(output => new Preface(lowest, highest).Write(output));

    public TestClient SendLogin(params BindRequest[] bindings) => SendLogin(0, bindings);

    public TestClient SendLogin(int interval, params BindRequest[] bindings) =>
        Send(output => new LoginMessage("device", "test/1", NetworkType.Wifi, Features.None, interval, bindings).Write(output));

    public LoginOkMessage Login(params BindRequest[] bindings)
    {
        SendPreface().SendLogin(bindings);
        return ExpectLogin();
    }

    public LoginOkMessage ExpectLogin()
    {
        var answer = LoginOkMessage.Read(Expect(Opcode.LoginOk).Body);
        ResumeTicket = answer.Settings.ResumeTicket.ToArray();
        ConnectionId = answer.Settings.ConnectionId;
        return answer;
    }

    public TestClient SendResume(byte[] ticket, params ResumePosition[] positions) =>
        Send(output => new ResumeMessage(ticket, 0, positions).Write(output));

    public ResumeOkMessage Resume(byte[] ticket, params ResumePosition[] positions)
    {
        SendPreface().SendResume(ticket, positions);
        return ExpectResume();
    }

    public ResumeOkMessage ExpectResume()
    {
        var answer = ResumeOkMessage.Read(Expect(Opcode.ResumeOk).Body);
        if (answer.Settings is { } settings)
        {
            ResumeTicket = settings.ResumeTicket.ToArray();
            ConnectionId = settings.ConnectionId;
        }
        return answer;
    }

    public TestClient SendBind(long id, BindRequest binding) => Send(output => new BindMessage(id, binding).Write(output));

    public BindResult Bind(BindRequest binding)
    {
        SendBind(1, binding);
        return ExpectBind();
    }

    public BindResult ExpectBind() => BindOkMessage.Read(Expect(Opcode.BindOk).Body).Result;

    public TestClient Unbind(int index) => Send(output => new UnbindMessage(index).Write(output, Opcode.Unbind));

    public TestClient Ack(long seq, int index = 0, StreamKind stream = StreamKind.Mailbox, uint? epoch = null) =>
        Send(output => new AckMessage(index, stream, AckMessage.TagOf(epoch ?? (stream == StreamKind.Mailbox ? 7u : 3u)), seq).Write(output));

    public TestClient Ping(int seconds = 0) => Send(output => new PingMessage(seconds).Write(output));

    public TestClient Fetch(long id, long first, int count, int index = 0, StreamKind stream = StreamKind.Mailbox) =>
        Send(output => new FetchMessage(id, index, stream, first, count).Write(output));

    public TestClient SendUp(long id, string text = "up", int index = 0, string type = "t") => Send(output =>
        new SendMessage { AppIndex = index, MessageId = id, Type = type, Kind = PayloadKind.Text, Payload = Encoding.UTF8.GetBytes(text) }.Write(output));

    /// <summary>The next frame; fails when there is none or it is another one.</summary>
    public ReceivedFrame Expect(Opcode opcode)
    {
        var frame = Next();
        Assert.True(frame is not null, $"expected {opcode}, but nothing came");
        Assert.True(frame.Opcode == opcode, $"expected {opcode}, but got {frame.Opcode}: {Describe(frame)}");
        return frame;
    }

    public PushFrame ExpectPush(string text)
    {
        var push = PushFrame.Read(Expect(Opcode.Push).Body);
        Assert.Equal(text, push.Text);
        return push;
    }

    public ResetMessage ExpectReset() => ResetMessage.Read(Expect(Opcode.Reset).Body);

    public NotifyMessage ExpectNotify() => NotifyMessage.Read(Expect(Opcode.Notify).Body);

    public FetchOkMessage ExpectFetchOk() => FetchOkMessage.Read(Expect(Opcode.FetchOk).Body);

    public SendOkMessage ExpectSendOk() => SendOkMessage.Read(Expect(Opcode.SendOk).Body);

    public GoAwayMessage ExpectGoAway() => GoAwayMessage.Read(Expect(Opcode.GoAway).Body);

    /// <summary>ERROR with this code, then the end.</summary>
    public ErrorMessage ExpectError(ReasonCode code)
    {
        var error = ErrorMessage.Read(Expect(Opcode.Error).Body);
        Assert.Equal(code, error.Code);
        ExpectClosed();
        return error;
    }

    public void ExpectClosed()
    {
        world.Run();
        Assert.True(Wire.IsClosed, "the connection should be closed");
    }

    public void ExpectNothing()
    {
        var frame = Next();
        Assert.True(frame is null, $"expected nothing, but got {frame?.Opcode}: {(frame is null ? "" : Describe(frame))}");
    }

    public void ExpectAlive()
    {
        Ping();
        Expect(Opcode.Pong);
        Assert.False(Wire.IsClosed, "the connection should be open");
    }

    public ReceivedFrame? Next()
    {
        world.Run();
        Receive();
        return _frames.TryDequeue(out var frame) ? frame : null;
    }

    /// <summary>All frames that have come.</summary>
    public List<ReceivedFrame> TakeAll()
    {
        var all = new List<ReceivedFrame>();
        while (Next() is { } frame)
            all.Add(frame);
        return all;
    }

    /// <summary>The same for a client that takes whatever comes; the tickets among it are kept.</summary>
    public List<ReceivedFrame> TakeAllRaw()
    {
        var all = TakeAll();
        foreach (var frame in all)
        {
            var settings = frame.Opcode == Opcode.LoginOk ? LoginOkMessage.Read(frame.Body).Settings
                : frame.Opcode == Opcode.ResumeOk ? ResumeOkMessage.Read(frame.Body).Settings : null;
            if (settings is null)
                continue;
            ResumeTicket = settings.ResumeTicket.ToArray();
            ConnectionId = settings.ConnectionId;
        }
        return all;
    }

    /// <summary>The sequence numbers of all PUSH frames that have come; other frames fail.</summary>
    public List<long> TakePushes() => [.. TakeAll().Select(frame =>
    {
        Assert.Equal(Opcode.Push, frame.Opcode);
        return PushFrame.Read(frame.Body).Seq;
    })];

    /// <summary>The socket breaks.</summary>
    public void Drop()
    {
        Wire.Reset();
        world.Run();
    }

    private void Receive()
    {
        var bytes = Wire.TakeReceived();
        if (bytes.Length == 0)
            return;
        _rest = new ReadOnlySequence<byte>([.. _rest.ToArray(), .. bytes]);
        while (FrameReader.TryRead(ref _rest, ProtocolLimits.MaxServerBody, out var frame))
            _frames.Enqueue(new ReceivedFrame(frame.Opcode, frame.Body.ToArray()));
    }

    private static string Describe(ReceivedFrame frame) => frame.Opcode switch
    {
        Opcode.Error => ErrorMessage.Read(frame.Body).ToString(),
        Opcode.GoAway => GoAwayMessage.Read(frame.Body).ToString(),
        Opcode.Push => PushFrame.Read(frame.Body).ToString(),
        Opcode.Reset => ResetMessage.Read(frame.Body).ToString(),
        _ => Convert.ToHexString(frame.Body),
    };
}

internal sealed record ReceivedFrame(Opcode Opcode, byte[] Body);

internal sealed record PushFrame(int AppIndex, StreamKind Stream, bool Transient, bool Fetched, long Seq, long ExpiresAt, string Text)
{
    public static PushFrame Read(byte[] body)
    {
        var push = PushMessage.Read(body);
        return new PushFrame(push.AppIndex, push.Stream, push.Transient, push.Fetched, push.Seq, push.ExpiresAt, Encoding.UTF8.GetString(push.Payload));
    }
}
