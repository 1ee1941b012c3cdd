namespace PushSystem.Cluster.Configuration;

/// <summary>
/// The configuration of a cluster: what every node of it reads from one YAML document in etcd. Immutable; a new document makes a new
/// one. Everything is optional: what is null keeps the component's default. docs/configuration.md lists all settings.
/// </summary>
public sealed record ClusterConfiguration
{
    /// <summary>Nothing is set: what holds while the document is absent.</summary>
    public static ClusterConfiguration Empty { get; } = new();

    /// <summary>Section "dispatcher".</summary>
    public DispatcherSection Dispatcher { get; init; } = new();
    /// <summary>Section "room".</summary>
    public RoomSection Room { get; init; } = new();
    /// <summary>Section "center".</summary>
    public CenterSection Center { get; init; } = new();
    /// <summary>Section "saver".</summary>
    public SaverSection Saver { get; init; } = new();
    /// <summary>Section "register".</summary>
    public RegisterSection Register { get; init; } = new();
    /// <summary>Section "coordinator".</summary>
    public CoordinatorSection Coordinator { get; init; } = new();
    /// <summary>Section "log".</summary>
    public LogSection Log { get; init; } = new();

    /// <summary>Reads a document. Throws <see cref="ConfigurationException"/> that names everything that is wrong with it.</summary>
    public static ClusterConfiguration Parse(string yaml) => ConfigurationReader.Read(yaml);

    /// <summary>The document: only what is set. Reading it again gives the same configuration.</summary>
    public string ToYaml() => ConfigurationWriter.Write(this);
}

/// <summary>A section that knows which of its settings must fit each other.</summary>
internal interface ISection
{
    /// <summary>Called when every single setting is valid.</summary>
    void Check(SectionCheck check);
}
