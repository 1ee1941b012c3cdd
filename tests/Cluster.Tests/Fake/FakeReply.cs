namespace PushSystem.Cluster.Tests.Fake;

/// <summary>What the fake answers: a status with a body, a cut connection, or nothing until the client gives up.</summary>
internal sealed record FakeReply(int Status, string Body, string ContentType = "application/json")
{
    /// <summary>Cuts the connection after it has read the request.</summary>
    public static FakeReply Cut { get; } = new(-1, "");

    /// <summary>Never answers.</summary>
    public static FakeReply Silence { get; } = new(-2, "");

    /// <summary>Status 200.</summary>
    public static FakeReply Ok(string body) => new(200, body);

    /// <summary>An error as the gateway of etcd 3.4 writes it.</summary>
    public static FakeReply Error(int status, int code, string message) =>
        new(status, $$"""{"error":"{{message}}","message":"{{message}}","code":{{code}}}""");

    /// <summary>401 as etcd sends it for an expired or unknown token.</summary>
    public static FakeReply BadToken { get; } = Error(401, 16, "etcdserver: invalid auth token");

    /// <summary>A list of keys (key, value, create and mod revision, lease) as of a revision.</summary>
    public static FakeReply List(long revision, params (string Key, string Value, long Created, long Changed)[] entries) => Ok(
        entries.Length == 0
            ? $$$"""{"header":{"revision":"{{{revision}}}"}}"""
            : $$$"""{"header":{"revision":"{{{revision}}}"},"kvs":[{{{string.Join(',', entries.Select(one => Json.Kv(one.Key, one.Value, one.Created, one.Changed)))}}}],"count":"{{{entries.Length}}}"}""");

    /// <summary>A transaction that was done.</summary>
    public static FakeReply Done(long revision) => Ok($$$"""{"header":{"revision":"{{{revision}}}"},"succeeded":true,"responses":[{}]}""");

    /// <summary>A transaction whose conditions did not hold.</summary>
    public static FakeReply NotDone(long revision) => Ok($$$"""{"header":{"revision":"{{{revision}}}"}}""");

    /// <summary>A token.</summary>
    public static FakeReply Token(string token) => Ok($$"""{"header":{},"token":"{{token}}"}""");

    /// <summary>A lease.</summary>
    public static FakeReply Lease(long id, int seconds) => Ok($$$"""{"header":{"revision":"1"},"ID":"{{{id}}}","TTL":"{{{seconds}}}"}""");

    /// <summary>An answered keepalive; 0 seconds are left out, as the gateway does.</summary>
    public static FakeReply Alive(long id, int seconds) => Ok(
        seconds == 0 ? $$$"""{"result":{"header":{"revision":"1"},"ID":"{{{id}}}"}}""" : $$$"""{"result":{"header":{"revision":"1"},"ID":"{{{id}}}","TTL":"{{{seconds}}}"}}""");
}
