using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Coordinator.Upstream;

/// <summary>The JSON bodies that webhooks get. Static; any thread.</summary>
internal static class EventBody
{
    // Bodies are signed JSON for servers, never put into HTML: text other than ASCII stays readable and short.
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// {"type":"upstream", …}. A payload that is not what its kind says (no UTF-8, no JSON) is handed on as base64, so that one
    /// client's mistake neither loses the message nor makes a body that cannot be parsed.
    /// </summary>
    public static byte[] Upstream(UpstreamMessage message)
    {
        var buffer = new ArrayBufferWriter<byte>(message.Payload.Length + 256);
        using var writer = new Utf8JsonWriter(buffer, WriterOptions);
        Begin(writer, "upstream", message.ReceivedAt, message.Key);
        writer.WriteString("device", message.Device);
        writer.WriteNumber("messageId", message.MessageId);
        writer.WriteString("messageType", message.Type);
        WritePayload(writer, message.Kind, message.Payload.Span);
        writer.WriteString("receivedAt", Format(message.ReceivedAt));
        return End(writer, buffer);
    }

    /// <summary>{"type":"presence.online"|"presence.offline", …}</summary>
    public static byte[] Presence(PresenceChange change)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var writer = new Utf8JsonWriter(buffer, WriterOptions);
        Begin(writer, EventTypes.Presence(change.Online), change.At, change.Key);
        writer.WriteString("device", change.Device);
        writer.WriteString("room", change.Room);
        return End(writer, buffer);
    }

    private static void Begin(Utf8JsonWriter writer, string type, long at, UserKey key)
    {
        writer.WriteStartObject();
        writer.WriteString("type", type);
        writer.WriteString("timestamp", Format(at));
        writer.WriteStartObject("data");
        writer.WriteString("app", key.App);
        writer.WriteString("user", key.User);
    }

    private static byte[] End(Utf8JsonWriter writer, ArrayBufferWriter<byte> buffer)
    {
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static void WritePayload(Utf8JsonWriter writer, PayloadKind kind, ReadOnlySpan<byte> payload)
    {
        if (kind == PayloadKind.Text && Utf8.IsValid(payload))
        {
            writer.WriteString("text", payload);
        }
        else if (kind == PayloadKind.Json && IsJson(payload))
        {
            writer.WritePropertyName("json");
            writer.WriteRawValue(payload, skipInputValidation: true);
        }
        else
        {
            writer.WriteBase64String("base64", payload);
        }
    }

    private static bool IsJson(ReadOnlySpan<byte> payload)
    {
        if (!Utf8.IsValid(payload))
            return false;
        try
        {
            var reader = new Utf8JsonReader(payload);
            while (reader.Read())
            {
            }
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Format(long unixMilliseconds) =>
        DateTimeOffset.FromUnixTimeMilliseconds(unixMilliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}

/// <summary>
/// The stored type of an event. Upstream types carry a prefix, so that a client cannot name its message like an event of ours.
/// </summary>
internal static class EventTypes
{
    private const string UpstreamPrefix = "upstream:";

    public static string Upstream(string messageType) => UpstreamPrefix + messageType;

    public static string Presence(bool online) => online ? "presence.online" : "presence.offline";

    /// <summary>The URL of an event: that of its upstream type if there is one, else the general one.</summary>
    public static string UrlFor(WebhookSettings webhook, string type) =>
        type.StartsWith(UpstreamPrefix, StringComparison.Ordinal)
        && webhook.TypeUrls.TryGetValue(type[UpstreamPrefix.Length..], out var url) ? url : webhook.Url;
}
