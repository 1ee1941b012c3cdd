using System.ComponentModel.DataAnnotations;
using System.Net;

namespace PushSystem.Hosting.Nodes;

/// <summary>
/// What a process must know before it can ask etcd for anything: its node file (docs/configuration.md). Everything that nodes share
/// stands in etcd instead. Secrets are named by file, so that the file itself may be shown.
/// </summary>
public class NodeOptions : IValidatableObject
{
    private const int MaxNameLength = 48;

    /// <summary>Name of the cluster: 1 to 48 of a–z, 0–9 and '-'. Default "push".</summary>
    public string Cluster { get; set; } = "push";

    /// <summary>Id of this node, unique in its role: 1 to 48 of a–z, 0–9, '-' and '.'. No default.</summary>
    public string Node { get; set; } = "";

    /// <summary>Blue-green group, "A" or "B". Default "A".</summary>
    public string Group { get; set; } = "A";

    /// <summary>Folder of the node: its last good configuration and its token. Two processes never share one. No default.</summary>
    public string Data { get; set; } = "";

    /// <summary>
    /// File with the key that the nodes of the cluster know each other by, 64 hexadecimal digits a line, one or two lines; the first one
    /// is used, both are accepted, so that it can be exchanged. No default.
    /// </summary>
    public string ClusterKeyFile { get; set; } = "";

    /// <summary>Least level that is logged. Default Information.</summary>
    public string Log { get; set; } = "Information";

    /// <summary>Longest time that a node which is asked to stop takes to send its clients and its work away. Default 30 s.</summary>
    public TimeSpan DrainTime { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The etcd that all nodes share.</summary>
    public EtcdSettings Etcd { get; set; } = new();

    /// <summary>Links to other nodes.</summary>
    public LinkSettings Links { get; set; } = new();

    /// <summary>Health and metrics.</summary>
    public HttpSettings Http { get; set; } = new();

    /// <inheritdoc/>
    public virtual IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!IsName(Cluster, allowDot: false))
            yield return Wrong(nameof(Cluster), $"must be 1 to {MaxNameLength} of a-z, 0-9 and '-', not '{Cluster}'");
        if (!IsName(Node, allowDot: true))
            yield return Wrong(nameof(Node), $"must be 1 to {MaxNameLength} of a-z, 0-9, '-' and '.', not '{Node}'");
        if (Group is not ("A" or "B"))
            yield return Wrong(nameof(Group), $"must be A or B, not '{Group}'");
        if (Data.Length == 0)
            yield return Wrong(nameof(Data), "a folder is needed");
        if (!File.Exists(ClusterKeyFile))
            yield return Wrong(nameof(ClusterKeyFile), $"'{ClusterKeyFile}' must be a file that exists");
        if (!Enum.TryParse<Microsoft.Extensions.Logging.LogLevel>(Log, out _))
            yield return Wrong(nameof(Log), $"must be Trace, Debug, Information, Warning, Error or None, not '{Log}'");
        if (DrainTime < TimeSpan.Zero || DrainTime > TimeSpan.FromHours(1))
            yield return Wrong(nameof(DrainTime), "must be 0 to 1 hour");
        if (Etcd.Endpoints.Count == 0)
            yield return Wrong("Etcd:Endpoints", "at least one is needed");
        if (Etcd.PasswordFile.Length > 0 && !File.Exists(Etcd.PasswordFile))
            yield return Wrong("Etcd:PasswordFile", $"'{Etcd.PasswordFile}' must be a file that exists");
        if (Etcd.LeaseTime < TimeSpan.FromSeconds(2) || Etcd.LeaseTime > TimeSpan.FromMinutes(5))
            yield return Wrong("Etcd:LeaseTime", "must be 2 seconds to 5 minutes");
        if (!IPEndPoint.TryParse(Links.Listen, out var links) || links.Port == 0)
            yield return Wrong("Links:Listen", $"must be an address with a port, not '{Links.Listen}'");
        else if (Links.Advertise.Length == 0 && (links.Address.Equals(IPAddress.Any) || links.Address.Equals(IPAddress.IPv6Any)))
            yield return Wrong("Links:Advertise", "must say by which address others reach this node when it listens on all of them");
        if (!IPEndPoint.TryParse(Http.Listen, out var http) || http.Port == 0)
            yield return Wrong("Http:Listen", $"must be an address with a port, not '{Http.Listen}'");
        if (Links.CertificateFile.Length > 0 && !File.Exists(Links.CertificateFile))
            yield return Wrong("Links:CertificateFile", $"'{Links.CertificateFile}' must be a file that exists");
    }

    private static bool IsName(string text, bool allowDot) =>
        text.Length is > 0 and <= MaxNameLength
        && text.All(character => character is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-' || (allowDot && character == '.'));

    /// <summary>A violation of one member.</summary>
    protected static ValidationResult Wrong(string member, string message) => new(message, [member]);
}

/// <summary>How etcd is reached.</summary>
public sealed class EtcdSettings
{
    /// <summary>Client URLs. No default.</summary>
    public List<string> Endpoints { get; set; } = [];
    /// <summary>User, "" = none.</summary>
    public string User { get; set; } = "";
    /// <summary>File with the user's password.</summary>
    public string PasswordFile { get; set; } = "";
    /// <summary>PEM file of the authorities that etcd's certificate comes from.</summary>
    public string CaFile { get; set; } = "";
    /// <summary>PEM file of the certificate that this node shows.</summary>
    public string CertificateFile { get; set; } = "";
    /// <summary>PEM file of its key.</summary>
    public string KeyFile { get; set; } = "";
    /// <summary>How long a node that is not heard of counts as alive. Default 10 s.</summary>
    public TimeSpan LeaseTime { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>Where other nodes connect.</summary>
public sealed class LinkSettings
{
    /// <summary>"address:port". No default.</summary>
    public string Listen { get; set; } = "";
    /// <summary>Name or address by which others reach it; "" = the address it listens on.</summary>
    public string Advertise { get; set; } = "";
    /// <summary>PEM file with certificate and key; with it all links of this node are encrypted, and all nodes must have one. "" = plain.</summary>
    public string CertificateFile { get; set; } = "";
}

/// <summary>Where watchers ask for health and metrics.</summary>
public sealed class HttpSettings
{
    /// <summary>"address:port", not to be reached from outside. No default.</summary>
    public string Listen { get; set; } = "";
}
