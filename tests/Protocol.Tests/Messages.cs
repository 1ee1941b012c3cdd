using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace PushSystem.Protocol.Tests;

/// <summary>The fields of a PUSH, whose own type lives on the stack only.</summary>
internal sealed record PushFields(
    int AppIndex, StreamKind Stream, bool Transient, bool Fetched, PayloadKind Kind, long Seq, long ExpiresAt, byte[] Payload);

/// <summary>The fields of a SEND, whose own type lives on the stack only.</summary>
internal sealed record SendFields(int AppIndex, long MessageId, string Type, PayloadKind Kind, byte[] Payload);

/// <summary>What a ticket is made from.</summary>
internal sealed record TicketFields(uint KeyId, byte[] Secret, string App, string User, long Expiry);

/// <summary>Generators of every message inside the protocol's limits, with their borders more often than chance would have it.</summary>
internal static class Messages
{
    private static readonly string[] Characters = ["a", "Z", "0", "-", " ", "\"", "|", "é", "\u00a0", "用", "\uFFFD", "😀"];

    private static readonly Gen<bool> Flag = Gen.Elements(true, false);
    private static readonly Gen<StreamKind> Stream = Gen.Elements(StreamKind.Mailbox, StreamKind.Broadcast);
    private static readonly Gen<PayloadKind> Kind = Gen.Elements(PayloadKind.Binary, PayloadKind.Text, PayloadKind.Json);
    private static readonly Gen<ReasonCode> Code = Gen.Choose(0, 255).Select(code => (ReasonCode)code);
    private static readonly Gen<ReconnectAdvice> Advice = Gen.Choose(0, 255).Select(advice => (ReconnectAdvice)advice);
    private static readonly Gen<int> Index = Int(ProtocolLimits.MaxAppIndex);
    private static readonly Gen<int> Seconds = Int(ProtocolLimits.MaxIntervalSeconds);
    private static readonly Gen<int> AnyInt = Int(int.MaxValue);
    private static readonly Gen<long> RequestId = Number(long.MaxValue);
    private static readonly Gen<long> Seq = Number(ProtocolLimits.MaxSeq, 1);
    private static readonly Gen<uint> Epoch = Number(uint.MaxValue).Select(epoch => (uint)epoch);
    private static readonly Gen<string[]> Addresses = List(Text(ProtocolLimits.MaxAddressBytes, 1), ProtocolLimits.MaxAddresses);

    private static readonly Gen<StreamPosition> Position =
        from epoch in Epoch
        from seq in Number(ProtocolLimits.MaxSeq)
        select new StreamPosition(epoch, seq);

    private static readonly Gen<BindRequest> Binding =
        from app in Text(ProtocolLimits.MaxAppBytes, 1)
        from user in Text(ProtocolLimits.MaxUserBytes, 1)
        from ticket in Bytes(ProtocolLimits.MaxTicketBytes)
        from pull in Flag
        from mailbox in Position
        from broadcast in Position
        select new BindRequest(app, user, ticket, pull, mailbox, broadcast);

    private static readonly Gen<BindResult> Result =
        from code in Code
        from index in Index
        from mailbox in Position
        from broadcast in Position
        select new BindResult(code, index, mailbox, broadcast);

    private static readonly Gen<SessionSettings> Settings =
        from numbers in AnyInt.ArrayOf(5)
        from heartbeat in Seconds.ArrayOf(3)
        from features in Number(long.MaxValue)
        from id in Bytes(8, 8)
        from ticket in Bytes(ProtocolLimits.MaxResumeTicketBytes)
        from time in Number(ProtocolLimits.MaxUnixMilliseconds)
        from version in Gen.Choose(0, 255)
        from addresses in Addresses
        select new SessionSettings
        {
            Version = (byte)version,
            Features = (Features)features,
            ConnectionId = BitConverter.ToUInt64(id),
            ResumeTicket = ticket,
            ResumeSeconds = numbers[0],
            HeartbeatMinSeconds = heartbeat[0],
            HeartbeatMaxSeconds = heartbeat[1],
            HeartbeatDefaultSeconds = heartbeat[2],
            AckCount = numbers[1],
            AckDelayMilliseconds = numbers[2],
            FrameLimit = numbers[3],
            ServerTime = time,
            AddressTtlSeconds = numbers[4],
            Addresses = addresses,
        };

    public static Gen<LoginMessage> Login { get; } =
        from device in Text(ProtocolLimits.MaxDeviceBytes, 1)
        from sdk in Text(ProtocolLimits.MaxSdkBytes)
        from network in Gen.Choose(0, 255)
        from features in Number(long.MaxValue)
        from interval in Seconds
        from bindings in List(Binding, ProtocolLimits.MaxBindings)
        select new LoginMessage(device, sdk, (NetworkType)network, (Features)features, interval, bindings);

    public static Gen<LoginOkMessage> LoginOk { get; } =
        from settings in Settings
        from results in List(Result, ProtocolLimits.MaxBindings)
        select new LoginOkMessage(settings, results);

    public static Gen<ResumeMessage> Resume { get; } =
        from ticket in Bytes(ProtocolLimits.MaxResumeTicketBytes, 1)
        from interval in Seconds
        from positions in List(
            from index in Index
            from mailbox in Position
            from broadcast in Position
            select new ResumePosition(index, mailbox, broadcast), ProtocolLimits.MaxBindings)
        select new ResumeMessage(ticket, interval, positions);

    public static Gen<ResumeOkMessage> ResumeOk { get; } =
        from code in Gen.Elements(ReasonCode.Ok, ReasonCode.ResumeUnknown)
        from settings in Settings
        select new ResumeOkMessage(code, code == ReasonCode.Ok ? settings : null);

    public static Gen<BindMessage> Bind { get; } = from id in RequestId from binding in Binding select new BindMessage(id, binding);

    public static Gen<BindOkMessage> BindOk { get; } = from id in RequestId from result in Result select new BindOkMessage(id, result);

    public static Gen<UnbindMessage> Unbind { get; } = Index.Select(index => new UnbindMessage(index));

    public static Gen<AckMessage> Ack { get; } =
        from index in Index
        from stream in Stream
        from epoch in Epoch
        from seq in Number(ProtocolLimits.MaxSeq)
        select new AckMessage(index, stream, AckMessage.TagOf(epoch), seq);

    public static Gen<ResetMessage> Reset { get; } =
        from index in Index
        from stream in Stream
        from epoch in Number(uint.MaxValue, 1)
        from first in Seq
        from reason in Gen.Choose(0, 255)
        select new ResetMessage(index, stream, (uint)epoch, first, (ResetReason)reason);

    public static Gen<PushFields> Push { get; } =
        from index in Index
        from stream in Stream
        from transient in Flag
        from fetched in Flag
        from kind in Kind
        from seq in Seq
        from expiry in Number(long.MaxValue)
        from payload in Bytes(300)
        select new PushFields(index, stream, transient, fetched, kind, transient ? 0 : seq, expiry, payload);

    public static Gen<SendFields> Send { get; } =
        from index in Index
        from id in Seq
        from type in Text(ProtocolLimits.MaxSendTypeBytes, 1)
        from kind in Kind
        from payload in Bytes(300)
        select new SendFields(index, id, type, kind, payload);

    public static Gen<SendOkMessage> SendOk { get; } =
        from index in Index
        from id in Seq
        from code in Code
        from retry in AnyInt
        select new SendOkMessage(index, id, code, retry);

    public static Gen<FetchMessage> Fetch { get; } =
        from id in RequestId
        from index in Index
        from stream in Stream
        from first in Seq
        from count in Gen.Choose(1, ProtocolLimits.MaxFetchCount)
        select new FetchMessage(id, index, stream, first, count);

    public static Gen<FetchOkMessage> FetchOk { get; } =
        from id in RequestId
        from code in Code
        from count in Int(ProtocolLimits.MaxFetchCount)
        from next in Number(ProtocolLimits.MaxSeq)
        from top in Number(ProtocolLimits.MaxSeq)
        select new FetchOkMessage(id, code, count, next, top);

    public static Gen<NotifyMessage> Notify { get; } =
        from index in Index
        from stream in Stream
        from epoch in Epoch
        from top in Number(ProtocolLimits.MaxSeq)
        select new NotifyMessage(index, stream, epoch, top);

    public static Gen<SubscribeMessage> Subscribe { get; } =
        from id in RequestId
        from index in Index
        from topics in List(Text(ProtocolLimits.MaxTopicBytes, 1), ProtocolLimits.MaxTopicsPerFrame, 1)
        select new SubscribeMessage(id, index, topics);

    public static Gen<SubscribeOkMessage> SubscribeOk { get; } = from id in RequestId from code in Code select new SubscribeOkMessage(id, code);

    public static Gen<PingMessage> Ping { get; } = Seconds.Select(interval => new PingMessage(interval));

    public static Gen<PongMessage> Pong { get; } =
        from max in Seconds
        from min in Seconds
        select max == 0 ? default : new PongMessage(min, max);

    public static Gen<GoAwayMessage> GoAway { get; } =
        from reason in Code
        from index in Int(ProtocolLimits.MaxAppIndex + 1)
        from advice in Advice
        from window in AnyInt
        from addresses in Addresses
        select new GoAwayMessage(reason, index == 0 ? null : index - 1, advice, window, addresses);

    public static Gen<ErrorMessage> Error { get; } =
        from code in Code
        from advice in Advice
        from window in AnyInt
        from text in Text(ProtocolLimits.MaxErrorTextBytes)
        select new ErrorMessage(code, advice, window, text);

    public static Gen<TicketFields> Ticket { get; } =
        from id in Number(uint.MaxValue)
        from secret in Bytes(80, 1)
        from app in Text(ProtocolLimits.MaxAppBytes, 1)
        from user in Text(ProtocolLimits.MaxUserBytes - 1, 1)
        from expiry in Number(253_402_300_799, 1)
        select new TicketFields((uint)id, secret, app, user, expiry);

    // Every length of the encoding comes up equally often, and the borders themselves too.
    private static Gen<long> Number(long max, long min = 0) =>
        from shift in Gen.Choose(0, 62)
        from high in Gen.Choose(0, int.MaxValue)
        from low in Gen.Choose(0, int.MaxValue)
        from border in Gen.Choose(0, 9)
        select border switch
        {
            0 => min,
            1 => max,
            _ => Math.Clamp((((long)high << 31) | (uint)low) >> shift, min, max),
        };

    private static Gen<int> Int(int max) => Number(max).Select(value => (int)value);

    private static Gen<byte[]> Bytes(int max, int min = 0) =>
        from length in Gen.OneOf(Gen.Choose(min, max), Gen.Elements(min, max))
        from bytes in Gen.Choose(0, 255).ArrayOf(length)
        select bytes.Select(value => (byte)value).ToArray();

    private static Gen<T[]> List<T>(Gen<T> item, int max, int min = 0) =>
        from count in Gen.Frequency((5, Gen.Choose(min, Math.Min(max, 3))), (1, Gen.Constant(max)))
        from items in item.ArrayOf(count)
        select items;

    private static Gen<string> Text(int maxBytes, int minBytes = 0) =>
        from wanted in Gen.OneOf(Gen.Choose(minBytes, maxBytes), Gen.Elements(minBytes, maxBytes))
        from characters in Gen.Elements(Characters).ArrayOf(wanted)
        select Fit(characters, wanted);

    // As many of the characters as fit, filled up to exactly the wanted bytes.
    private static string Fit(string[] characters, int bytes)
    {
        var text = new StringBuilder();
        foreach (var character in characters)
        {
            var size = Encoding.UTF8.GetByteCount(character);
            if (size > bytes)
                break;
            bytes -= size;
            text.Append(character);
        }
        return text.Append('x', bytes).ToString();
    }
}
