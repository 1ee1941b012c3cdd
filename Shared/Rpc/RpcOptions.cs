using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace PushSystem.Rpc;

/// <summary>Settings of a node's links, for both sides. Checked by <see cref="Validate()"/> when a server or links are made.</summary>
public sealed class RpcOptions : IValidatableObject
{
    /// <summary>This node's id, told to peers and bound into the handshake. 1 to 64 bytes UTF-8. No default.</summary>
    public string NodeId { get; set; } = "";
    /// <summary>Where the server listens; port 0 takes a free one. Default 127.0.0.1:0.</summary>
    public IList<IPEndPoint> EndPoints { get; set; } = [new(IPAddress.Loopback, 0)];
    /// <summary>
    /// The cluster's keys, 32 to 64 random bytes each, one or two. The first is used for opening links, all are accepted: to change the
    /// key, give every node [old, new], then [new, old], then [new]. No default.
    /// </summary>
    public IList<byte[]> ClusterKeys { get; set; } = [];
    /// <summary>TLS around the links; both sides must agree. Default: none.</summary>
    public RpcTlsOptions? Tls { get; set; }

    /// <summary>Largest frame taken, bytes with header; larger messages are refused before they are sent. Default 16 MiB.</summary>
    [Range(4_096, 256 * 1024 * 1024)]
    public int MaxFrameBytes { get; set; } = 16 * 1024 * 1024;
    /// <summary>Most calls in flight per link, on either side; more are answered <see cref="RpcStatus.Busy"/> at once. Default 16,384.</summary>
    [Range(1, 1_000_000)]
    public int MaxInFlight { get; set; } = 16_384;
    /// <summary>Most bytes of requests in flight per link, on either side; more are answered Busy at once. Default 64 MiB; at least MaxFrameBytes.</summary>
    [Range(4_096, int.MaxValue)]
    public long MaxInFlightBytes { get; set; } = 64 * 1024 * 1024;
    /// <summary>
    /// Most bytes that wait to be sent on a link. A caller that would exceed it gets Busy; a server whose peer does not read closes the
    /// link. Default 64 MiB; at least MaxFrameBytes.
    /// </summary>
    [Range(4_096, int.MaxValue)]
    public long MaxQueuedBytes { get; set; } = 64 * 1024 * 1024;
    /// <summary>Most links that a server holds; more are refused. Default 1,024.</summary>
    [Range(1, 100_000)]
    public int MaxLinks { get; set; } = 1_024;
    /// <summary>Most links of one node that a server holds; a further one closes the oldest. Default 4.</summary>
    [Range(1, 1_000)]
    public int MaxLinksPerNode { get; set; } = 4;
    /// <summary>Most connections at a server that have not authenticated yet; a further one ends the oldest. Default 128.</summary>
    [Range(1, 100_000)]
    public int MaxHandshakes { get; set; } = 128;

    /// <summary>Silence of the peer after which it is pinged. Default 3 s.</summary>
    public TimeSpan PingAfter { get; set; } = TimeSpan.FromSeconds(3);
    /// <summary>Silence of the peer after which the link is closed. Default 10 s; at least twice PingAfter.</summary>
    public TimeSpan DeadAfter { get; set; } = TimeSpan.FromSeconds(10);
    /// <summary>Time for a whole handshake, TLS included. Default 5 s.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(5);
    /// <summary>Time to open a link, handshake included. Default 3 s.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(3);
    /// <summary>First delay after a failed attempt; doubles with each further one, jittered down by up to a half. Default 100 ms.</summary>
    public TimeSpan BackOff { get; set; } = TimeSpan.FromMilliseconds(100);
    /// <summary>Longest delay between attempts. Default 3 s.</summary>
    public TimeSpan MaxBackOff { get; set; } = TimeSpan.FromSeconds(3);
    /// <summary>A link that nobody asked for during this time is not opened again, and forgotten. Default 60 s.</summary>
    public TimeSpan AbandonAfter { get; set; } = TimeSpan.FromSeconds(60);
    /// <summary>How long a stopping server waits for running handlers. Default 10 s.</summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(10);
    /// <summary>How often deadlines and silence are looked at; a call may end this much late. Default 20 ms.</summary>
    public TimeSpan Tick { get; set; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Throws <see cref="ArgumentException"/> naming the setting and its limit.</summary>
    public void Validate()
    {
        var results = new List<ValidationResult>();
        if (!Validator.TryValidateObject(this, new ValidationContext(this), results, validateAllProperties: true) && results.Count == 0)
            results.Add(new ValidationResult("is not valid"));
        var problem = results.FirstOrDefault() ?? Problems().FirstOrDefault();
        if (problem is not null)
            throw new ArgumentException($"Rpc:{string.Join(',', problem.MemberNames)}: {problem.ErrorMessage}", problem.MemberNames.FirstOrDefault());
    }

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext) => Problems();

    private IEnumerable<ValidationResult> Problems()
    {
        if (Encoding.UTF8.GetByteCount(NodeId) is < 1 or > Wire.Hello.MaxNodeIdBytes)
            yield return Wrong(nameof(NodeId), $"1 to {Wire.Hello.MaxNodeIdBytes} bytes UTF-8 are needed");
        if (EndPoints.Count > 16)
            yield return Wrong(nameof(EndPoints), "at most 16 are allowed");
        if (ClusterKeys.Count is < 1 or > 2)
            yield return Wrong(nameof(ClusterKeys), "one or two keys are needed");
        if (ClusterKeys.Any(key => key.Length is < 32 or > 64))
            yield return Wrong(nameof(ClusterKeys), "a key has 32 to 64 bytes");
        if (MaxInFlightBytes < MaxFrameBytes)
            yield return Wrong(nameof(MaxInFlightBytes), "at least MaxFrameBytes is needed");
        if (MaxQueuedBytes < MaxFrameBytes)
            yield return Wrong(nameof(MaxQueuedBytes), "at least MaxFrameBytes is needed");
        foreach (var (name, value, least, most) in new[]
        {
            (nameof(PingAfter), PingAfter, 0.1, 3600), (nameof(DeadAfter), DeadAfter, 0.2, 7200),
            (nameof(HandshakeTimeout), HandshakeTimeout, 0.1, 60), (nameof(ConnectTimeout), ConnectTimeout, 0.1, 60),
            (nameof(BackOff), BackOff, 0.001, 60), (nameof(MaxBackOff), MaxBackOff, 0.001, 600),
            (nameof(AbandonAfter), AbandonAfter, 1, 86_400), (nameof(StopTimeout), StopTimeout, 0, 600), (nameof(Tick), Tick, 0.001, 1),
        })
        {
            if (value.TotalSeconds < least || value.TotalSeconds > most)
                yield return Wrong(name, $"{least} s to {most} s are allowed");
        }
        if (DeadAfter < 2 * PingAfter)
            yield return Wrong(nameof(DeadAfter), "at least twice PingAfter is needed");
        if (MaxBackOff < BackOff)
            yield return Wrong(nameof(MaxBackOff), "at least BackOff is needed");
    }

    private static ValidationResult Wrong(string name, string rule) => new(rule, [name]);
}

/// <summary>
/// TLS 1.2 or 1.3 around a link. The server's certificate is bound into the handshake with the cluster key, so that a self-signed one
/// is as safe as any: whoever does not hold the key cannot show another.
/// </summary>
public sealed class RpcTlsOptions
{
    /// <summary>What a server shows, with its private key. Needed by servers only.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>If not empty, a server's certificate must also lead to one of these. Names in it are not compared: node ids are.</summary>
    public X509Certificate2Collection TrustedIssuers { get; set; } = [];
}
