using System.Text.Json;

namespace PushSystem.Cluster.Etcd;

/// <summary>A change of one key. A deletion has the revision of the deletion and no value.</summary>
internal readonly record struct WatchEvent(bool IsDelete, EtcdEntry Entry);

/// <summary>One line of a watch. Parsing is pure; all members may be absent.</summary>
internal sealed record WatchLine
{
    public EtcdFailure? Error { get; private init; }
    public long WatchId { get; private init; }
    public bool IsCreated { get; private init; }
    public bool IsCanceled { get; private init; }
    public string CancelReason { get; private init; } = "";
    public long CompactRevision { get; private init; }
    public IReadOnlyList<WatchEvent> Events { get; private init; } = [];

    /// <summary>Reads a line; throws <see cref="FormatException"/> for what is none.</summary>
    public static WatchLine Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            using var document = JsonDocument.Parse(line);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new FormatException("no JSON object");
            // The error first: such a line has status 200 before it like any other.
            if (EtcdFailure.Find(document.RootElement) is { } failure)
                return new WatchLine { Error = failure };
            var result = EtcdReplies.Object(document.RootElement, "result");
            List<WatchEvent> events = [];
            foreach (var item in EtcdReplies.Array(result, "events"))
            {
                // The type of a put is the zero value and therefore left out.
                var type = EtcdReplies.Text(item, "type");
                if (type is not ("" or "PUT" or "DELETE"))
                    throw new FormatException("'type' is unknown");
                var entry = EtcdReplies.Entry(EtcdReplies.Object(item, "kv"));
                if (entry.ModRevision <= 0)
                    throw new FormatException("an event has no 'mod_revision'");
                events.Add(new WatchEvent(type == "DELETE", entry));
            }
            return new WatchLine
            {
                WatchId = EtcdReplies.Int64(result, "watch_id"),
                IsCreated = EtcdReplies.Bool(result, "created"),
                IsCanceled = EtcdReplies.Bool(result, "canceled"),
                CancelReason = EtcdReplies.Text(result, "cancel_reason"),
                CompactRevision = EtcdReplies.Int64(result, "compact_revision"),
                Events = events,
            };
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new FormatException(exception.Message, exception);
        }
    }
}
