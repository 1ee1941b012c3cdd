namespace PushSystem.Cluster;

/// <summary>Where a cluster's keys lie in etcd. Everything of one cluster begins with the same prefix, so that several can share an etcd. Immutable.</summary>
public sealed class ClusterKeys(string cluster)
{
    /// <summary>"/push/{cluster}/".</summary>
    public string Root { get; } = $"/push/{cluster}/";

    /// <summary>Prefix of all nodes: "nodes/{role}/{id}", a JSON <see cref="Nodes.NodeInfo"/>, bound to the node's lease.</summary>
    public string Nodes => Root + "nodes/";

    /// <summary>The key of one node; its create_revision is the node's incarnation.</summary>
    public string Node(string role, string id) => $"{Nodes}{role}/{id}";

    /// <summary>The configuration in force: a YAML document.</summary>
    public string Configuration => Root + "config/current";

    /// <summary>Prefix of earlier configurations: "config/history/{number, 10 digits}".</summary>
    public string ConfigurationHistory => Root + "config/history/";

    /// <summary>Prefix of the apps: "apps/{id}", encrypted with the cluster key.</summary>
    public string Apps => Root + "apps/";

    /// <summary>Prefix of the candidates of an election: "elections/{name}/{lease}".</summary>
    public string Election(string name) => $"{Root}elections/{name}/";

    /// <summary>Written by whoever watches, to tell a silent watch from a dead one.</summary>
    public string Heartbeat => Root + "heartbeat";

    /// <summary>What was laid down when the cluster was created and cannot change: number of partitions and registry parts.</summary>
    public string Layout => Root + "layout";
}
