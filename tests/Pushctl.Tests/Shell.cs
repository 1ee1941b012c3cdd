using System.Text;
using System.Text.Json.Nodes;
using PushSystem.Cluster;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Tests.Configuration;
using PushSystem.TestSupport;

namespace PushSystem.Pushctl.Tests;

/// <summary>A shell in which pushctl runs against an etcd in memory, with files of its own.</summary>
internal sealed class Shell : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pushctl-").FullName;

    public MemoryEtcd Etcd { get; } = new();
    public FakeClock Clock { get; } = new();
    public ClusterKeys Keys { get; } = new("push");
    public Dictionary<string, string> Environment { get; } = [];
    public string Input { get; set; } = "";
    /// <summary>How etcd was opened last.</summary>
    public EtcdOptions? Opened { get; private set; }

    public string File(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    public void Put(string key, string value) => Etcd.Put(key, Encoding.UTF8.GetBytes(value));

    public async Task<(string Output, string Error)> Run(int expect, params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await new PushctlCommand(new Surroundings
        {
            Output = output,
            Error = error,
            Input = new StringReader(Input),
            Width = 0,
            Environment = Environment.GetValueOrDefault,
            Etcd = options =>
            {
                options.Validate();
                Opened = options;
                return Etcd;
            },
            User = "ann@desk",
            Time = Clock,
        }).RunAsync(args);
        Assert.True(code == expect, $"exit code {code} instead of {expect}\n{output}\n{error}");
        return (output.ToString(), error.ToString());
    }

    public async Task<JsonNode> Json(params string[] args) => JsonNode.Parse((await Run(0, [.. args, "--json"])).Output)!;

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
