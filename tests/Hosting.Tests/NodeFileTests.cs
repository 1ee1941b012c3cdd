using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using PushSystem.Hosting.Nodes;

namespace PushSystem.Hosting.Tests;

/// <summary>Node files: what is right is read, what is wrong is named.</summary>
public sealed class NodeFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("push-node-file-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_whole_file_is_read()
    {
        var options = Read(Good + "\ndrainTime: 00:01:00\ngroup: B\nlog: Debug\n");

        Assert.Equal(("demo", "room-1", "B", "Debug"), (options.Cluster, options.Node, options.Group, options.Log));
        Assert.Equal(["http://127.0.0.1:2379", "http://127.0.0.1:2380"], options.Etcd.Endpoints);
        Assert.Equal("127.0.0.1:7501", options.Links.Listen);
        Assert.Equal(TimeSpan.FromMinutes(1), options.DrainTime);
        Assert.Equal(TimeSpan.FromSeconds(10), options.Etcd.LeaseTime);
    }

    [Theory]
    [InlineData("node: room-1", "node: Room_1", "Node", "a-z")]
    [InlineData("node: room-1", "node: ''", "Node", "1 to 48")]
    [InlineData("cluster: demo", "cluster: a.b", "Cluster", "a-z")]
    [InlineData("node: room-1", "node: room-1\ngroup: C", "Group", "A or B")]
    [InlineData("listen: 127.0.0.1:7501", "listen: 127.0.0.1", "Links:Listen", "port")]
    [InlineData("listen: 127.0.0.1:7501", "listen: 0.0.0.0:7501", "Links:Advertise", "by which address")]
    [InlineData("listen: 127.0.0.1:7601", "listen: somewhere", "Http:Listen", "port")]
    [InlineData("node: room-1", "node: room-1\nlog: Loud", "Log", "Information")]
    [InlineData("node: room-1", "node: room-1\ndrainTime: 02:00:00", "DrainTime", "1 hour")]
    public void What_is_wrong_is_named_with_its_limit(string right, string wrong, string member, string limit)
    {
        var thrown = Assert.Throws<OptionsValidationException>(() => Read(Good.Replace(right, wrong, StringComparison.Ordinal)));

        Assert.Contains(member, thrown.Message);
        Assert.Contains(limit, thrown.Message);
    }

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once()
    {
        var thrown = Assert.Throws<OptionsValidationException>(() => Read("cluster: A\nnode: B\n"));

        foreach (var member in new[] { "Cluster", "Node", "Data", "ClusterKeyFile", "Etcd:Endpoints", "Links:Listen", "Http:Listen" })
            Assert.Contains(member, thrown.Message);
    }

    [Fact]
    public void An_unknown_name_is_an_error() =>
        Assert.Contains("nodde", Assert.Throws<InvalidOperationException>(() => Read(Good + "\nnodde: x\n")).ToString());

    [Theory]
    [InlineData("node: [", "line")]
    [InlineData("just text", "settings are expected")]
    [InlineData("node: a\nnode: b", "node")]
    [InlineData("node: a\nNODE: b", "set twice")]
    [InlineData("a: b\n---\nc: d", "one document")]
    public void What_is_no_node_file_is_refused_with_its_place(string text, string says)
    {
        var thrown = Assert.ThrowsAny<InvalidDataException>(() => Read(text));

        Assert.Contains("node.yaml", thrown.Message);
        Assert.Contains(says, thrown.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void A_derived_section_is_checked_with_the_rest()
    {
        File.WriteAllText(Path.Combine(_folder, "key"), "00");
        File.WriteAllText(Path.Combine(_folder, "node.yaml"), Good.Replace("FOLDER", _folder, StringComparison.Ordinal) + "\nextra:\n  size: 0\n");

        var thrown = Assert.Throws<OptionsValidationException>(() => NodeFile.Read(Path.Combine(_folder, "node.yaml")).BindValidated<ExtraOptions>(""));

        Assert.Contains("Extra:Size", thrown.Message);
    }

    private const string Good = """
        cluster: demo
        node: room-1
        data: FOLDER/room-1
        clusterKeyFile: FOLDER/key
        etcd:
          endpoints: ["http://127.0.0.1:2379", "http://127.0.0.1:2380"]
        links:
          listen: 127.0.0.1:7501
        http:
          listen: 127.0.0.1:7601
        """;

    private NodeOptions Read(string text)
    {
        File.WriteAllText(Path.Combine(_folder, "key"), "00");
        var path = Path.Combine(_folder, "node.yaml");
        File.WriteAllText(path, text.Replace("FOLDER", _folder, StringComparison.Ordinal));
        return NodeFile.Read(path).BindValidated<NodeOptions>("");
    }

    private sealed class ExtraOptions : NodeOptions
    {
        public ExtraSection Extra { get; set; } = new();

        public override IEnumerable<ValidationResult> Validate(ValidationContext validationContext) =>
            Extra.Size > 0 ? base.Validate(validationContext) : [Wrong("Extra:Size", "must be at least 1")];
    }

    private sealed class ExtraSection
    {
        public int Size { get; set; } = 1;
    }
}
