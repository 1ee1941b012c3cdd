using System.Net;
using System.Text.Json;

namespace PushSystem.Cluster.Etcd;

/// <summary>What a failed attempt means for the next one.</summary>
internal enum FailureKind
{
    /// <summary>Nothing reached etcd: any endpoint may be asked, even for a write.</summary>
    NotSent,
    /// <summary>It may have been done or not: only what may be repeated goes to the next endpoint.</summary>
    Unknown,
    /// <summary>The token is missing, expired or unknown.</summary>
    Unauthenticated,
    /// <summary>etcd answered: nothing was done.</summary>
    Refused,
}

/// <summary>An error as etcd's gateways write it, old and new shapes. Immutable; parsing is pure.</summary>
internal sealed record EtcdFailure(FailureKind Kind, string Message, int Code = 0)
{
    /// <summary>gRPC code of "not found".</summary>
    public const int NotFound = 5;
    /// <summary>gRPC code of "permission denied".</summary>
    public const int PermissionDenied = 7;
    /// <summary>gRPC code of "failed precondition".</summary>
    public const int FailedPrecondition = 9;
    /// <summary>gRPC code of "out of range": compacted or future revisions.</summary>
    public const int OutOfRange = 11;

    /// <summary>
    /// The error in a reply or a line of a stream, or null. Shapes: {"error":"text","message":"text","code":3},
    /// {"error":{"grpc_code":3,"message":"text"}}, {"error":{"code":3,"message":"text"}}, {"code":3,"message":"text","details":[]}.
    /// </summary>
    public static EtcdFailure? Find(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
            return new EtcdFailure(FailureKind.Unknown, "the reply is no JSON object");
        if (root.TryGetProperty("error", out var error) && error.ValueKind != JsonValueKind.Null)
        {
            var from = error.ValueKind == JsonValueKind.Object ? error : root;
            var code = Number(from, "grpc_code") is var old and not 0 ? old : Number(from, "code");
            var text = Text(from, "message") ?? (error.ValueKind == JsonValueKind.String ? error.GetString() : null) ?? "no message";
            return Of(code, text);
        }
        return root.TryGetProperty("code", out _) && root.TryGetProperty("message", out _) && !root.TryGetProperty("header", out _)
            ? Of(Number(root, "code"), Text(root, "message") ?? "no message")
            : null;
    }

    /// <summary>The meaning of a gRPC code and its message.</summary>
    public static EtcdFailure Of(int code, string message)
    {
        var kind = code switch
        {
            16 => FailureKind.Unauthenticated,
            3 or PermissionDenied when IsAboutToken(message) => FailureKind.Unauthenticated,
            // Cancelled, unknown, deadline exceeded, internal, unavailable, data loss, or no code at all.
            0 or 1 or 2 or 4 or 13 or 14 or 15 => FailureKind.Unknown,
            _ => FailureKind.Refused,
        };
        return new EtcdFailure(kind, message, code);
    }

    /// <summary>The meaning of a reply with an error status and no error in JSON: this is not etcd's gateway, or something before it.</summary>
    public static EtcdFailure OfStatus(HttpStatusCode status) =>
        new(status == HttpStatusCode.Unauthorized ? FailureKind.Unauthenticated : FailureKind.Unknown, $"HTTP {(int)status}");

    /// <summary>True when a new token may help.</summary>
    public static bool IsAboutToken(string message) =>
        message.Contains("user name is empty", StringComparison.Ordinal) || message.Contains("invalid auth token", StringComparison.Ordinal)
        || message.Contains("revision of auth store is old", StringComparison.Ordinal);

    private static int Number(JsonElement from, string name) =>
        from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var code) ? code : 0;

    private static string? Text(JsonElement from, string name) =>
        from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
