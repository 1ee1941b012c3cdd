using System.Buffers;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace PushSystem.Protocol.Tests;

/// <summary>Whatever fits the limits comes back as it was, however it was cut on the way.</summary>
public sealed class RoundTripTests
{
    private static readonly Config Checks = Config.QuickThrowOnFailure.WithMaxTest(300).WithQuietOnSuccess(true);

    [Fact]
    public void Login() => RoundTrip(Messages.Login, (m, o) => m.Write(o), LoginMessage.Read);

    [Fact]
    public void Login_ok() => RoundTrip(Messages.LoginOk, (m, o) => m.Write(o), LoginOkMessage.Read);

    [Fact]
    public void Resume() => RoundTrip(Messages.Resume, (m, o) => m.Write(o), ResumeMessage.Read);

    [Fact]
    public void Resume_ok() => RoundTrip(Messages.ResumeOk, (m, o) => m.Write(o), ResumeOkMessage.Read);

    [Fact]
    public void Bind() => RoundTrip(Messages.Bind, (m, o) => m.Write(o), BindMessage.Read);

    [Fact]
    public void Bind_ok() => RoundTrip(Messages.BindOk, (m, o) => m.Write(o), BindOkMessage.Read);

    [Fact]
    public void Unbind() => RoundTrip(Messages.Unbind, (m, o) => m.Write(o, Opcode.Unbind), UnbindMessage.Read);

    [Fact]
    public void Unbind_ok() => RoundTrip(Messages.Unbind, (m, o) => m.Write(o, Opcode.UnbindOk), UnbindMessage.Read);

    [Fact]
    public void Ack() => RoundTrip(Messages.Ack, (m, o) => m.Write(o), AckMessage.Read);

    [Fact]
    public void Reset() => RoundTrip(Messages.Reset, (m, o) => m.Write(o), ResetMessage.Read);

    [Fact]
    public void Send_ok() => RoundTrip(Messages.SendOk, (m, o) => m.Write(o), SendOkMessage.Read);

    [Fact]
    public void Fetch() => RoundTrip(Messages.Fetch, (m, o) => m.Write(o), FetchMessage.Read);

    [Fact]
    public void Fetch_ok() => RoundTrip(Messages.FetchOk, (m, o) => m.Write(o), FetchOkMessage.Read);

    [Fact]
    public void Notify() => RoundTrip(Messages.Notify, (m, o) => m.Write(o), NotifyMessage.Read);

    [Fact]
    public void Subscribe() => RoundTrip(Messages.Subscribe, (m, o) => m.Write(o, Opcode.Subscribe), SubscribeMessage.Read);

    [Fact]
    public void Unsubscribe() => RoundTrip(Messages.Subscribe, (m, o) => m.Write(o, Opcode.Unsubscribe), SubscribeMessage.Read);

    [Fact]
    public void Subscribe_ok() => RoundTrip(Messages.SubscribeOk, (m, o) => m.Write(o), SubscribeOkMessage.Read);

    [Fact]
    public void Ping() => RoundTrip(Messages.Ping, (m, o) => m.Write(o), PingMessage.Read);

    [Fact]
    public void Pong() => RoundTrip(Messages.Pong, (m, o) => m.Write(o), PongMessage.Read);

    [Fact]
    public void Go_away() => RoundTrip(Messages.GoAway, (m, o) => m.Write(o), GoAwayMessage.Read);

    [Fact]
    public void Error() => RoundTrip(Messages.Error, (m, o) => m.Write(o), ErrorMessage.Read);

    [Fact]
    public void Push() => RoundTrip(Messages.Push,
        (m, o) => new PushMessage
        {
            AppIndex = m.AppIndex,
            Stream = m.Stream,
            Transient = m.Transient,
            Fetched = m.Fetched,
            Kind = m.Kind,
            Seq = m.Seq,
            ExpiresAt = m.ExpiresAt,
            Payload = m.Payload,
        }.Write(o),
        body =>
        {
            var m = PushMessage.Read(body);
            return new PushFields(m.AppIndex, m.Stream, m.Transient, m.Fetched, m.Kind, m.Seq, m.ExpiresAt, m.Payload.ToArray());
        });

    [Fact]
    public void Send() => RoundTrip(Messages.Send,
        (m, o) => new SendMessage { AppIndex = m.AppIndex, MessageId = m.MessageId, Type = m.Type, Kind = m.Kind, Payload = m.Payload }.Write(o),
        body =>
        {
            var m = SendMessage.Read(body);
            return new SendFields(m.AppIndex, m.MessageId, m.Type, m.Kind, m.Payload.ToArray());
        });

    [Fact]
    public void A_ticket_in_bytes_and_text() => Check.One(Checks, Prop.ForAll(Messages.Ticket.ToArbitrary(), fields =>
    {
        var expiry = DateTimeOffset.FromUnixTimeSeconds(fields.Expiry);
        var key = new TicketKey(fields.KeyId, fields.Secret);
        return Ticket.TryParseText(Ticket.IssueText(key, fields.App, fields.User, expiry), out var ticket)
            && Ticket.Verify(ticket, [key], fields.App, fields.User, expiry.AddSeconds(-1)) == ReasonCode.Ok
            && Ticket.Verify(ticket, [key], fields.App, fields.User + "x", expiry.AddSeconds(-1)) == ReasonCode.TicketMismatch;
    }));

    private delegate T Reader<out T>(ReadOnlySpan<byte> body);

    private static void RoundTrip<T>(Gen<T> messages, Action<T, IBufferWriter<byte>> write, Reader<T> read)
    {
        var cuts = Gen.Choose(0, 10_000).ArrayOf(3);
        Check.One(Checks, Prop.ForAll(messages.Zip(cuts).ToArbitrary(), pair =>
        {
            var (message, places) = pair;
            var output = new ArrayBufferWriter<byte>();
            write(message, output);
            var sorted = places.Select(place => place % (output.WrittenCount + 1)).Order().ToArray();
            var input = Segments.CutAt(output.WrittenSpan, sorted);
            if (!FrameReader.TryRead(ref input, ProtocolLimits.MaxServerBody, out var frame) || !input.IsEmpty)
                return false;
            using var body = new FrameBody(frame.Body);
            return JsonSerializer.Serialize(read(body.Span)) == JsonSerializer.Serialize(message);
        }));
    }
}
