using System.Globalization;
using System.Text.Json.Nodes;

namespace PushSystem.Protocol.Tests.Vectors;

/// <summary>Parts that several frames share, between the page's JSON and the codec's types.</summary>
internal static class VectorFields
{
    private static readonly string[] ByteFields = ["ticket", "resumeTicket", "payload"];

    public static int Int(this JsonNode node, string name) => node[name]!.GetValue<int>();

    public static long Long(this JsonNode node, string name) => node[name]!.GetValue<long>();

    public static string Str(this JsonNode node, string name) => node[name]!.GetValue<string>();

    public static bool Bool(this JsonNode node, string name) => node[name]!.GetValue<bool>();

    public static byte[] Bytes(this JsonNode node, string name) => Hex.Parse(node.Str(name));

    public static string[] Texts(this JsonNode node, string name) => [.. node[name]!.AsArray().Select(item => item!.GetValue<string>())];

    public static JsonArray ToArray(IEnumerable<string> texts) => [.. texts.Select(text => (JsonNode)text)];

    public static StreamKind Stream(this JsonNode node) => node.Str("stream") == "broadcast" ? StreamKind.Broadcast : StreamKind.Mailbox;

    public static string Name(StreamKind stream) => stream == StreamKind.Broadcast ? "broadcast" : "mailbox";

    public static PayloadKind Kind(this JsonNode node) => Enum.Parse<PayloadKind>(node.Str("kind"), ignoreCase: true);

    public static string Name(PayloadKind kind) => kind.ToString().ToLowerInvariant();

    public static StreamPosition Position(this JsonNode node, string name) =>
        new(node[name]![0]!.GetValue<uint>(), node[name]![1]!.GetValue<long>());

    public static JsonArray ToJson(StreamPosition position) => [position.Epoch, position.Seq];

    public static BindRequest Binding(JsonNode node) => new(
        node.Str("app"), node.Str("user"), node.Bytes("ticket"), node.Bool("pull"), node.Position("mailbox"), node.Position("broadcast"));

    public static JsonObject ToJson(BindRequest binding) => new()
    {
        ["app"] = binding.App,
        ["user"] = binding.User,
        ["ticket"] = Hex.Format(binding.Ticket.Span),
        ["pull"] = binding.Pull,
        ["mailbox"] = ToJson(binding.Mailbox),
        ["broadcast"] = ToJson(binding.Broadcast),
    };

    public static BindResult Result(JsonNode node) =>
        new((ReasonCode)node.Int("code"), node.Int("app"), node.Position("mailbox"), node.Position("broadcast"));

    public static JsonObject ToJson(BindResult result) => new()
    {
        ["code"] = (int)result.Code,
        ["app"] = result.AppIndex,
        ["mailbox"] = ToJson(result.Mailbox),
        ["broadcast"] = ToJson(result.Broadcast),
    };

    public static ResumePosition ResumePosition(JsonNode node) => new(node.Int("app"), node.Position("mailbox"), node.Position("broadcast"));

    public static JsonObject ToJson(ResumePosition position) => new()
    {
        ["app"] = position.AppIndex,
        ["mailbox"] = ToJson(position.Mailbox),
        ["broadcast"] = ToJson(position.Broadcast),
    };

    public static SessionSettings Settings(JsonNode node) => new()
    {
        Version = (byte)node.Int("version"),
        Features = (Features)node.Long("features"),
        ConnectionId = ulong.Parse(node.Str("connection"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
        ResumeTicket = node.Bytes("resumeTicket"),
        ResumeSeconds = node.Int("resumeSeconds"),
        HeartbeatMinSeconds = node.Int("heartbeatMin"),
        HeartbeatMaxSeconds = node.Int("heartbeatMax"),
        HeartbeatDefaultSeconds = node.Int("heartbeatDefault"),
        AckCount = node.Int("ackCount"),
        AckDelayMilliseconds = node.Int("ackDelay"),
        FrameLimit = node.Int("frameLimit"),
        ServerTime = node.Long("serverTime"),
        AddressTtlSeconds = node.Int("addressTtl"),
        Addresses = node.Texts("addresses"),
    };

    public static JsonObject ToJson(SessionSettings settings) => new()
    {
        ["version"] = (int)settings.Version,
        ["features"] = (long)settings.Features,
        ["connection"] = settings.ConnectionId.ToString("x16", CultureInfo.InvariantCulture),
        ["resumeTicket"] = Hex.Format(settings.ResumeTicket.Span),
        ["resumeSeconds"] = settings.ResumeSeconds,
        ["heartbeatMin"] = settings.HeartbeatMinSeconds,
        ["heartbeatMax"] = settings.HeartbeatMaxSeconds,
        ["heartbeatDefault"] = settings.HeartbeatDefaultSeconds,
        ["ackCount"] = settings.AckCount,
        ["ackDelay"] = settings.AckDelayMilliseconds,
        ["frameLimit"] = settings.FrameLimit,
        ["serverTime"] = settings.ServerTime,
        ["addressTtl"] = settings.AddressTtlSeconds,
        ["addresses"] = ToArray(settings.Addresses),
    };

    /// <summary>The page's fields with every byte field written out, so that they compare with what was decoded.</summary>
    public static JsonNode Normalize(JsonNode node)
    {
        if (node is JsonObject fields)
        {
            foreach (var (name, value) in fields.ToList())
            {
                if (ByteFields.Contains(name))
                    fields[name] = Hex.Format(Hex.Parse(value!.GetValue<string>()));
                else if (value is not null)
                    Normalize(value);
            }
        }
        else if (node is JsonArray items)
        {
            foreach (var item in items)
                Normalize(item!);
        }
        return node;
    }
}
