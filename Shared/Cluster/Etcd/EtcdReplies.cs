using System.Globalization;
using System.Text;
using System.Text.Json;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// Reads the gateway's JSON: 64-bit numbers come as text, zero values are left out, keys and values are base64. Every member may be
/// absent; one of a wrong type throws <see cref="FormatException"/>. Pure.
/// </summary>
internal static class EtcdReplies
{
    public static long Int64(JsonElement from, string name)
    {
        if (!from.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return 0;
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number))
            return number;
        if (value.ValueKind == JsonValueKind.String && long.TryParse(value.GetString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number))
            return number;
        throw new FormatException($"'{name}' is no 64-bit number");
    }

    public static bool Bool(JsonElement from, string name) =>
        from.TryGetProperty(name, out var value) && value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False or JsonValueKind.Null => false,
            _ => throw new FormatException($"'{name}' is no boolean"),
        };

    public static string Text(JsonElement from, string name)
    {
        if (!from.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return "";
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw new FormatException($"'{name}' is no text");
    }

    public static byte[] Bytes(JsonElement from, string name)
    {
        if (!from.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return [];
        return value.ValueKind == JsonValueKind.String && value.TryGetBytesFromBase64(out var bytes)
            ? bytes
            : throw new FormatException($"'{name}' is no base64");
    }

    public static JsonElement.ArrayEnumerator Array(JsonElement from, string name)
    {
        if (!from.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null)
            return default;
        return value.ValueKind == JsonValueKind.Array ? value.EnumerateArray() : throw new FormatException($"'{name}' is no list");
    }

    /// <summary>The member as an object; throws when it is absent.</summary>
    public static JsonElement Object(JsonElement from, string name) =>
        from.ValueKind == JsonValueKind.Object && from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object
            ? value
            : throw new FormatException($"'{name}' is missing");

    /// <summary>The store's revision when the reply was made; throws when it is missing, because nothing could be judged without it.</summary>
    public static long Revision(JsonElement reply)
    {
        var revision = Int64(Object(reply, "header"), "revision");
        return revision > 0 ? revision : throw new FormatException("the header has no revision");
    }

    public static EtcdEntry Entry(JsonElement kv) =>
        new(Encoding.UTF8.GetString(Bytes(kv, "key")), Bytes(kv, "value"), Int64(kv, "create_revision"), Int64(kv, "mod_revision"), Int64(kv, "lease"));
}
