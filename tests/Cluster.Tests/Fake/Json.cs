using System.Text;

namespace PushSystem.Cluster.Tests.Fake;

/// <summary>Pieces of the gateway's JSON as etcd 3.4 writes it.</summary>
internal static class Json
{
    public static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    public static string Kv(string key, string value, long created, long changed, long lease = 0) =>
        $$"""{"key":"{{Base64(key)}}","create_revision":"{{created}}","mod_revision":"{{changed}}","version":"1","value":"{{Base64(value)}}"{{(lease == 0 ? "" : $",\"lease\":\"{lease}\"")}}}""";

    /// <summary>A put: its type is the zero value and therefore left out.</summary>
    public static string Put(string key, string value, long created, long changed) => $$$"""{"kv":{{{Kv(key, value, created, changed)}}}}""";

    public static string Delete(string key, long changed) => $$$"""{"type":"DELETE","kv":{"key":"{{{Base64(key)}}}","mod_revision":"{{{changed}}}"}}""";

    /// <summary>A line of the mirrored prefix.</summary>
    public static string Events(long headerRevision, params string[] events) =>
        $$$"""{"result":{"header":{"revision":"{{{headerRevision}}}"},"watch_id":"1","events":[{{{string.Join(',', events)}}}]}}""";

    public static string Created(int id, long revision = 1) => $$$"""{"result":{"header":{"revision":"{{{revision}}}"},"watch_id":"{{{id}}}","created":true}}""";

    public static string Progress(long revision) => $$$"""{"result":{"header":{"revision":"{{{revision}}}"},"watch_id":"1"}}""";

    public static string Beat(long revision) =>
        $$$"""{"result":{"header":{"revision":"{{{revision}}}"},"watch_id":"2","events":[{{{Put("/push/heartbeat", "1", 1, revision)}}}]}}""";

    public static string Compacted(long oldest) => $$$"""{"result":{"header":{"revision":"99"},"watch_id":"1","canceled":true,"compact_revision":"{{{oldest}}}"}}""";

    public static string Refused(string reason) =>
        $$$"""{"result":{"header":{"revision":"1"},"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"rpc error: {{{reason}}}"}}""";
}
