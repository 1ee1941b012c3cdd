using System.Buffers;
using System.Text.Json;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// The value of a node's key: {"id","role","host","port","group","version","process","draining","details"}. Readers leave out what they
/// do not know, so that versions next to each other understand each other. Pure.
/// </summary>
public static class NodeInfoJson
{
    /// <summary>Largest value in bytes.</summary>
    public const int MaxBytes = 64 << 10;

    /// <summary>Writes all but the incarnation. Throws <see cref="ArgumentException"/> above <see cref="MaxBytes"/> and for a port out of bounds.</summary>
    public static byte[] Write(NodeInfo info)
    {
        if (info.Port is < 0 or > 65_535)
            throw new ArgumentException($"port {info.Port} is not between 0 and 65535");
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("id", info.Id);
            json.WriteString("role", info.Role);
            json.WriteString("host", info.Host);
            json.WriteNumber("port", info.Port);
            json.WriteString("group", info.Group);
            json.WriteString("version", info.Version);
            json.WriteString("process", info.Process);
            if (info.Draining)
                json.WriteBoolean("draining", true);
            if (info.Details is { ValueKind: not JsonValueKind.Undefined } details)
            {
                json.WritePropertyName("details");
                details.WriteTo(json);
            }
            json.WriteEndObject();
        }
        if (buffer.WrittenCount > MaxBytes)
            throw new ArgumentException($"the description of a node has {buffer.WrittenCount} bytes, the limit is {MaxBytes}");
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads a value; the incarnation is the key's. Throws <see cref="FormatException"/> saying what is wrong.</summary>
    public static NodeInfo Read(ReadOnlyMemory<byte> value, long incarnation)
    {
        if (value.Length > MaxBytes)
            throw new FormatException($"{value.Length} bytes, the limit is {MaxBytes}");
        try
        {
            using var document = JsonDocument.Parse(value);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
                throw new FormatException("no JSON object");
            var port = root.TryGetProperty("port", out var number) && number.ValueKind == JsonValueKind.Number && number.TryGetInt32(out var given) ? given : -1;
            return new NodeInfo
            {
                Id = Text(root, "id") is { Length: > 0 } id ? id : throw new FormatException("'id' is missing"),
                Role = Text(root, "role") is { Length: > 0 } role ? role : throw new FormatException("'role' is missing"),
                Host = Text(root, "host") ?? throw new FormatException("'host' is missing"),
                Port = port is >= 0 and <= 65_535 ? port : throw new FormatException("'port' is missing or not between 0 and 65535"),
                Group = Text(root, "group") ?? "A",
                Version = Text(root, "version") ?? "",
                Process = Text(root, "process") ?? "",
                Draining = root.TryGetProperty("draining", out var draining) && draining.ValueKind == JsonValueKind.True,
                Details = root.TryGetProperty("details", out var details) ? details.Clone() : null,
                Incarnation = incarnation,
            };
        }
        catch (JsonException exception)
        {
            throw new FormatException($"no JSON: {exception.Message}", exception);
        }
    }

    private static string? Text(JsonElement root, string name)
    {
        if (!root.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw new FormatException($"'{name}' is no text");
    }
}
