using System.Buffers;
using System.Text;
using System.Text.Json;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// Writes the gateway's requests. The gateway ignores members that it does not know, so a misspelt name would silently do nothing:
/// every name is written here and nowhere else. Pure.
/// </summary>
internal static class EtcdRequests
{
    /// <summary>"{}".</summary>
    public static ReadOnlyMemory<byte> Empty { get; } = "{}"u8.ToArray();

    /// <summary>A key, or with <paramref name="end"/> the range [key, end); at most <paramref name="limit"/> keys (0 = all) at a revision (0 = now).</summary>
    public static ReadOnlyMemory<byte> Range(byte[] key, byte[]? end, long limit, long revision, bool serializable) => Write(json =>
    {
        json.WriteBase64String("key", key);
        if (end is not null)
            json.WriteBase64String("range_end", end);
        if (limit > 0)
            json.WriteString("limit", Number(limit));
        if (revision > 0)
            json.WriteString("revision", Number(revision));
        if (serializable)
            json.WriteBoolean("serializable", true);
    });

    public static ReadOnlyMemory<byte> Transaction(EtcdTransaction transaction) => Write(json =>
    {
        json.WriteStartArray("compare");
        foreach (var condition in transaction.Conditions)
        {
            var isCreate = condition.Target == EtcdTarget.CreateRevision;
            json.WriteStartObject();
            json.WriteString("result", "EQUAL");
            json.WriteString("target", isCreate ? "CREATE" : "MOD");
            json.WriteBase64String("key", Encoding.UTF8.GetBytes(condition.Key));
            json.WriteString(isCreate ? "create_revision" : "mod_revision", Number(condition.Revision));
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("success");
        foreach (var write in transaction.Writes)
        {
            json.WriteStartObject();
            json.WriteStartObject(write.Value is null ? "request_delete_range" : "request_put");
            json.WriteBase64String("key", Encoding.UTF8.GetBytes(write.Key));
            if (write.Value is { } value)
            {
                json.WriteBase64String("value", value.Span);
                if (write.Lease != 0)
                    json.WriteString("lease", Number(write.Lease));
            }
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    /// <summary>
    /// Two watches on one stream: what is mirrored (id 1) and the heartbeat key (id 2). The gateway takes one create request after
    /// the other from the body, and etcd answers them in this order.
    /// </summary>
    public static ReadOnlyMemory<byte> Watch(byte[] key, byte[] end, long fromRevision, byte[] heartbeat)
    {
        var prefix = Write(json =>
        {
            json.WriteStartObject("create_request");
            json.WriteBase64String("key", key);
            json.WriteBase64String("range_end", end);
            json.WriteString("start_revision", Number(fromRevision));
            json.WriteBoolean("progress_notify", true);
            json.WriteString("watch_id", "1");
            json.WriteEndObject();
        });
        var beat = Write(json =>
        {
            json.WriteStartObject("create_request");
            json.WriteBase64String("key", heartbeat);
            json.WriteString("watch_id", "2");
            json.WriteEndObject();
        });
        return (byte[])[.. prefix.Span, .. beat.Span];
    }

    public static ReadOnlyMemory<byte> Grant(long seconds) => Write(json => json.WriteString("TTL", Number(seconds)));

    public static ReadOnlyMemory<byte> Lease(long id) => Write(json => json.WriteString("ID", Number(id)));

    public static ReadOnlyMemory<byte> Authenticate(string user, string password) => Write(json =>
    {
        json.WriteString("name", user);
        json.WriteString("password", password);
    });

    /// <summary>The end of the range of all keys that begin with this one: the first key behind them.</summary>
    public static byte[] PrefixEnd(byte[] prefix)
    {
        var end = (byte[])prefix.Clone();
        for (var i = end.Length - 1; i >= 0; i--)
        {
            if (end[i] == 0xff)
                continue;
            end[i]++;
            return end[..(i + 1)];
        }
        return [0];
    }

    private static string Number(long value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static ReadOnlyMemory<byte> Write(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }
        return buffer.WrittenMemory;
    }
}
