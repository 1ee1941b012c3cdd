using System.CommandLine;
using PushSystem.Cluster;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Pushctl;

/// <summary>Options of every command; each has an environment variable for what is not given.</summary>
internal sealed class GlobalOptions
{
    private const string DefaultEndpoint = "http://127.0.0.1:2379", DefaultCluster = "push";

    private readonly Func<string, string?> _environment;
    private readonly Option<string[]> _etcd = Make<string[]>("--etcd", "etcd's client URLs, separated by commas [PUSH_ETCD; default " + DefaultEndpoint + "]");
    private readonly Option<string> _cluster = Make<string>("--cluster", "name of the cluster [PUSH_CLUSTER; default " + DefaultCluster + "]");
    private readonly Option<string> _user = Make<string>("--user", "user of etcd [PUSH_ETCD_USER]");
    private readonly Option<string> _passwordFile = Make<string>("--password-file", "file with the user's password [PUSH_ETCD_PASSWORD_FILE]");
    private readonly Option<string> _caFile = Make<string>("--ca-file", "PEM file of the authorities of etcd's certificate [PUSH_ETCD_CA_FILE]");
    private readonly Option<string> _certificateFile = Make<string>("--certificate-file", "PEM file of the certificate to show [PUSH_ETCD_CERTIFICATE_FILE]");
    private readonly Option<string> _keyFile = Make<string>("--key-file", "PEM file of its key [PUSH_ETCD_KEY_FILE]");
    private readonly Option<string> _clusterKeyFile = Make<string>("--cluster-key-file", "file with the cluster key, for apps [PUSH_CLUSTER_KEY_FILE]");

    public GlobalOptions(Func<string, string?> environment) => _environment = environment;

    /// <summary>Tables become JSON.</summary>
    public Option<bool> Json { get; } = Make<bool>("--json", "print JSON instead of a table");

    public void AddTo(Command root)
    {
        foreach (var option in new Option[] { _etcd, _cluster, _user, _passwordFile, _caFile, _certificateFile, _keyFile, _clusterKeyFile, Json })
            root.Options.Add(option);
    }

    /// <summary>Throws <see cref="RefusalException"/> for a name that would lead elsewhere in etcd.</summary>
    public ClusterKeys Keys(ParseResult result)
    {
        var cluster = Value(result, _cluster, "PUSH_CLUSTER") ?? DefaultCluster;
        return cluster.Length is > 0 and <= 48 && cluster.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.')
            ? new ClusterKeys(cluster)
            : throw new RefusalException($"--cluster: '{cluster}' must be 1 to 48 of a-z, A-Z, 0-9, '-', '_' and '.'");
    }

    /// <summary>How etcd is reached. Throws what reading the password's file throws.</summary>
    public EtcdOptions Etcd(ParseResult result)
    {
        var given = result.GetValue(_etcd) is { Length: > 0 } urls ? string.Join(',', urls) : _environment("PUSH_ETCD");
        var endpoints = string.IsNullOrWhiteSpace(given) ? DefaultEndpoint : given;
        return new EtcdOptions
        {
            Endpoints = endpoints.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            User = Value(result, _user, "PUSH_ETCD_USER") ?? "",
            Password = Value(result, _passwordFile, "PUSH_ETCD_PASSWORD_FILE") is { } path ? File.ReadAllText(path).Trim() : "",
            CaFile = Value(result, _caFile, "PUSH_ETCD_CA_FILE") ?? "",
            CertificateFile = Value(result, _certificateFile, "PUSH_ETCD_CERTIFICATE_FILE") ?? "",
            KeyFile = Value(result, _keyFile, "PUSH_ETCD_KEY_FILE") ?? "",
        };
    }

    /// <summary>Throws <see cref="RefusalException"/> when it is not given.</summary>
    public string ClusterKeyFile(ParseResult result) =>
        Value(result, _clusterKeyFile, "PUSH_CLUSTER_KEY_FILE") ?? throw new RefusalException("--cluster-key-file (or PUSH_CLUSTER_KEY_FILE) is needed: apps are encrypted");

    private string? Value(ParseResult result, Option<string> option, string variable) =>
        result.GetValue(option) ?? (_environment(variable) is { Length: > 0 } value ? value : null);

    private static Option<T> Make<T>(string name, string description) => new(name) { Description = description, Recursive = true };
}
