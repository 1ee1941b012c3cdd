using System.Buffers;
using System.Text.Json.Nodes;
using static PushSystem.Protocol.Tests.Vectors.VectorFields;

namespace PushSystem.Protocol.Tests.Vectors;

/// <summary>Every frame of the protocol: writes it from the page's JSON and reads its body into JSON.</summary>
internal sealed record VectorCodec(Opcode Opcode, Action<JsonNode, IBufferWriter<byte>> Write, VectorCodec.Reader Read)
{
    public delegate JsonObject Reader(ReadOnlySpan<byte> body);

    public static IReadOnlyDictionary<string, VectorCodec> ByName { get; } = new Dictionary<string, VectorCodec>
    {
        ["LOGIN"] = new(Opcode.Login,
            (f, output) => new LoginMessage(f.Str("device"), f.Str("sdk"), (NetworkType)f.Int("network"), (Features)f.Long("features"),
                f.Int("nextInterval"), [.. f["bindings"]!.AsArray().Select(b => Binding(b!))]).Write(output),
            body =>
            {
                var m = LoginMessage.Read(body);
                return new JsonObject
                {
                    ["device"] = m.Device,
                    ["sdk"] = m.Sdk,
                    ["network"] = (int)m.Network,
                    ["features"] = (long)m.Features,
                    ["nextInterval"] = m.NextIntervalSeconds,
                    ["bindings"] = new JsonArray([.. m.Bindings.Select(ToJson)]),
                };
            }),
        ["LOGIN_OK"] = new(Opcode.LoginOk,
            (f, output) => new LoginOkMessage(Settings(f["settings"]!), [.. f["results"]!.AsArray().Select(r => Result(r!))]).Write(output),
            body =>
            {
                var m = LoginOkMessage.Read(body);
                return new JsonObject { ["settings"] = ToJson(m.Settings), ["results"] = new JsonArray([.. m.Results.Select(ToJson)]) };
            }),
        ["RESUME"] = new(Opcode.Resume,
            (f, output) => new ResumeMessage(f.Bytes("resumeTicket"), f.Int("nextInterval"),
                [.. f["positions"]!.AsArray().Select(p => ResumePosition(p!))]).Write(output),
            body =>
            {
                var m = ResumeMessage.Read(body);
                return new JsonObject
                {
                    ["resumeTicket"] = Hex.Format(m.Ticket.Span),
                    ["nextInterval"] = m.NextIntervalSeconds,
                    ["positions"] = new JsonArray([.. m.Positions.Select(ToJson)]),
                };
            }),
        ["RESUME_OK"] = new(Opcode.ResumeOk,
            (f, output) => new ResumeOkMessage((ReasonCode)f.Int("code"), f["settings"] is { } s ? Settings(s) : null).Write(output),
            body =>
            {
                var m = ResumeOkMessage.Read(body);
                var fields = new JsonObject { ["code"] = (int)m.Code };
                if (m.Settings is { } settings)
                    fields["settings"] = ToJson(settings);
                return fields;
            }),
        ["BIND"] = new(Opcode.Bind,
            (f, output) => new BindMessage(f.Long("request"), Binding(f["binding"]!)).Write(output),
            body =>
            {
                var m = BindMessage.Read(body);
                return new JsonObject { ["request"] = m.RequestId, ["binding"] = ToJson(m.Binding) };
            }),
        ["BIND_OK"] = new(Opcode.BindOk,
            (f, output) => new BindOkMessage(f.Long("request"), Result(f["result"]!)).Write(output),
            body =>
            {
                var m = BindOkMessage.Read(body);
                return new JsonObject { ["request"] = m.RequestId, ["result"] = ToJson(m.Result) };
            }),
        ["UNBIND"] = new(Opcode.Unbind, (f, output) => new UnbindMessage(f.Int("app")).Write(output, Opcode.Unbind), ReadUnbind),
        ["UNBIND_OK"] = new(Opcode.UnbindOk, (f, output) => new UnbindMessage(f.Int("app")).Write(output, Opcode.UnbindOk), ReadUnbind),
        ["PUSH"] = new(Opcode.Push,
            (f, output) => new PushMessage
            {
                AppIndex = f.Int("app"),
                Stream = f.Stream(),
                Seq = f.Long("seq"),
                Transient = f.Bool("transient"),
                Fetched = f.Bool("fetched"),
                Kind = f.Kind(),
                ExpiresAt = f.Long("expiry"),
                Payload = f.Bytes("payload"),
            }.Write(output),
            body =>
            {
                var m = PushMessage.Read(body);
                return new JsonObject
                {
                    ["app"] = m.AppIndex,
                    ["stream"] = Name(m.Stream),
                    ["seq"] = m.Seq,
                    ["transient"] = m.Transient,
                    ["fetched"] = m.Fetched,
                    ["kind"] = Name(m.Kind),
                    ["expiry"] = m.ExpiresAt,
                    ["payload"] = Hex.Format(m.Payload),
                };
            }),
        ["ACK"] = new(Opcode.Ack,
            (f, output) => new AckMessage(f.Int("app"), f.Stream(), (byte)f.Int("epochTag"), f.Long("seq")).Write(output),
            body =>
            {
                var m = AckMessage.Read(body);
                return new JsonObject { ["app"] = m.AppIndex, ["stream"] = Name(m.Stream), ["epochTag"] = (int)m.EpochTag, ["seq"] = m.Seq };
            }),
        ["RESET"] = new(Opcode.Reset,
            (f, output) => new ResetMessage(f.Int("app"), f.Stream(), (uint)f.Long("epoch"), f.Long("firstSeq"), (ResetReason)f.Int("reason")).Write(output),
            body =>
            {
                var m = ResetMessage.Read(body);
                return new JsonObject
                {
                    ["app"] = m.AppIndex,
                    ["stream"] = Name(m.Stream),
                    ["epoch"] = (long)m.Epoch,
                    ["firstSeq"] = m.FirstSeq,
                    ["reason"] = (int)m.Reason,
                };
            }),
        ["SEND"] = new(Opcode.Send,
            (f, output) => new SendMessage
            {
                AppIndex = f.Int("app"),
                MessageId = f.Long("message"),
                Type = f.Str("type"),
                Kind = f.Kind(),
                Payload = f.Bytes("payload"),
            }.Write(output),
            body =>
            {
                var m = SendMessage.Read(body);
                return new JsonObject
                {
                    ["app"] = m.AppIndex,
                    ["message"] = m.MessageId,
                    ["type"] = m.Type,
                    ["kind"] = Name(m.Kind),
                    ["payload"] = Hex.Format(m.Payload),
                };
            }),
        ["SEND_OK"] = new(Opcode.SendOk,
            (f, output) => new SendOkMessage(f.Int("app"), f.Long("message"), (ReasonCode)f.Int("code"), f.Int("retryAfter")).Write(output),
            body =>
            {
                var m = SendOkMessage.Read(body);
                return new JsonObject
                {
                    ["app"] = m.AppIndex,
                    ["message"] = m.MessageId,
                    ["code"] = (int)m.Code,
                    ["retryAfter"] = m.RetryAfterMilliseconds,
                };
            }),
        ["FETCH"] = new(Opcode.Fetch,
            (f, output) => new FetchMessage(f.Long("request"), f.Int("app"), f.Stream(), f.Long("firstSeq"), f.Int("count")).Write(output),
            body =>
            {
                var m = FetchMessage.Read(body);
                return new JsonObject
                {
                    ["request"] = m.RequestId,
                    ["app"] = m.AppIndex,
                    ["stream"] = Name(m.Stream),
                    ["firstSeq"] = m.FirstSeq,
                    ["count"] = m.Count,
                };
            }),
        ["FETCH_OK"] = new(Opcode.FetchOk,
            (f, output) => new FetchOkMessage(f.Long("request"), (ReasonCode)f.Int("code"), f.Int("count"), f.Long("nextSeq"), f.Long("topSeq")).Write(output),
            body =>
            {
                var m = FetchOkMessage.Read(body);
                return new JsonObject
                {
                    ["request"] = m.RequestId,
                    ["code"] = (int)m.Code,
                    ["count"] = m.Count,
                    ["nextSeq"] = m.NextSeq,
                    ["topSeq"] = m.TopSeq,
                };
            }),
        ["NOTIFY"] = new(Opcode.Notify,
            (f, output) => new NotifyMessage(f.Int("app"), f.Stream(), (uint)f.Long("epoch"), f.Long("topSeq")).Write(output),
            body =>
            {
                var m = NotifyMessage.Read(body);
                return new JsonObject { ["app"] = m.AppIndex, ["stream"] = Name(m.Stream), ["epoch"] = (long)m.Epoch, ["topSeq"] = m.TopSeq };
            }),
        ["SUBSCRIBE"] = new(Opcode.Subscribe, (f, output) => Subscription(f).Write(output, Opcode.Subscribe), ReadSubscription),
        ["UNSUBSCRIBE"] = new(Opcode.Unsubscribe, (f, output) => Subscription(f).Write(output, Opcode.Unsubscribe), ReadSubscription),
        ["SUBSCRIBE_OK"] = new(Opcode.SubscribeOk,
            (f, output) => new SubscribeOkMessage(f.Long("request"), (ReasonCode)f.Int("code")).Write(output),
            body =>
            {
                var m = SubscribeOkMessage.Read(body);
                return new JsonObject { ["request"] = m.RequestId, ["code"] = (int)m.Code };
            }),
        ["PING"] = new(Opcode.Ping,
            (f, output) => new PingMessage(f.Int("nextInterval")).Write(output),
            body => new JsonObject { ["nextInterval"] = PingMessage.Read(body).NextIntervalSeconds }),
        ["PONG"] = new(Opcode.Pong,
            (f, output) => new PongMessage(f.Int("heartbeatMin"), f.Int("heartbeatMax")).Write(output),
            body =>
            {
                var m = PongMessage.Read(body);
                return new JsonObject { ["heartbeatMin"] = m.HeartbeatMinSeconds, ["heartbeatMax"] = m.HeartbeatMaxSeconds };
            }),
        ["GOAWAY"] = new(Opcode.GoAway,
            (f, output) => new GoAwayMessage((ReasonCode)f.Int("reason"), f["app"]?.GetValue<int>(), (ReconnectAdvice)f.Int("advice"),
                f.Int("window"), f.Texts("addresses")).Write(output),
            body =>
            {
                var m = GoAwayMessage.Read(body);
                return new JsonObject
                {
                    ["reason"] = (int)m.Reason,
                    ["app"] = m.AppIndex,
                    ["advice"] = (int)m.Advice,
                    ["window"] = m.WindowMilliseconds,
                    ["addresses"] = ToArray(m.Addresses),
                };
            }),
        ["ERROR"] = new(Opcode.Error,
            (f, output) => new ErrorMessage((ReasonCode)f.Int("code"), (ReconnectAdvice)f.Int("advice"), f.Int("window"), f.Str("text")).Write(output),
            body =>
            {
                var m = ErrorMessage.Read(body);
                return new JsonObject
                {
                    ["code"] = (int)m.Code,
                    ["advice"] = (int)m.Advice,
                    ["window"] = m.WindowMilliseconds,
                    ["text"] = m.Text,
                };
            }),
    };

    /// <summary>The codec of a type, for what was read from the wire.</summary>
    public static IReadOnlyDictionary<Opcode, VectorCodec> ByOpcode { get; } = ByName.Values.ToDictionary(codec => codec.Opcode);

    /// <summary>The complete frame.</summary>
    public byte[] ToFrame(JsonNode fields)
    {
        var output = new ArrayBufferWriter<byte>();
        Write(fields, output);
        return output.WrittenSpan.ToArray();
    }

    private static JsonObject ReadUnbind(ReadOnlySpan<byte> body) => new() { ["app"] = UnbindMessage.Read(body).AppIndex };

    private static SubscribeMessage Subscription(JsonNode fields) => new(fields.Long("request"), fields.Int("app"), fields.Texts("topics"));

    private static JsonObject ReadSubscription(ReadOnlySpan<byte> body)
    {
        var m = SubscribeMessage.Read(body);
        return new JsonObject { ["request"] = m.RequestId, ["app"] = m.AppIndex, ["topics"] = ToArray(m.Topics) };
    }
}
