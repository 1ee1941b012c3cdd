using System.Net.Http.Json;
using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;
using PushSystem.Cluster.Tests.Fake;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Cluster.Tests.Real;

/// <summary>One etcd for a class of tests; each test uses a cluster name of its own.</summary>
public sealed class SharedEtcd : IAsyncLifetime
{
    public EtcdServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await EtcdServer.StartAsync();

    public ValueTask DisposeAsync() => Server.DisposeAsync();
}

/// <summary>Clients and nodes on a real etcd; everything made here ends with it. Owned by the test.</summary>
internal sealed class RealWorld(params string[] endpoints) : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _made = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("push-real-").FullName;

    public ClusterKeys Keys { get; } = new($"t{Guid.NewGuid():N}");
    public LogList Log { get; } = new();

    /// <summary>Where the tests' nodes keep their tokens.</summary>
    public string TokenFile(string node) => Path.Combine(_folder, node);

    public EtcdClient Client(TimeProvider? clock = null, Action<EtcdOptions>? change = null)
    {
        var options = new EtcdOptions
        {
            AttemptTimeout = TimeSpan.FromSeconds(1),
            BackOffMin = TimeSpan.FromMilliseconds(20),
            BackOffMax = TimeSpan.FromMilliseconds(200),
            AuthenticationSpread = TimeSpan.FromMilliseconds(20),
            HeartbeatKey = Keys.Heartbeat,
            HeartbeatInterval = TimeSpan.FromMilliseconds(500),
        };
        foreach (var endpoint in endpoints)
            options.Endpoints.Add(endpoint);
        change?.Invoke(options);
        return Owned(new EtcdClient(options, clock ?? TimeProvider.System, new Logger<EtcdClient>(Log)));
    }

    public NodeDirectory Nodes(EtcdClient client) => Owned(new NodeDirectory(client, Keys, new Logger<NodeDirectory>(Log)));

    public NodeRegistration Node(EtcdClient client, NodeToken token, string id = "r1", string host = "10.0.0.1", int port = 7000, int leaseSeconds = 30) => Owned(
        new NodeRegistration(
            client, Keys, new NodeInfo { Id = id, Role = Roles.Room, Host = host, Port = port }, token,
            new NodeOptions { LeaseTime = TimeSpan.FromSeconds(leaseSeconds), LeaseMargin = TimeSpan.FromMilliseconds(500), DescribeInterval = TimeSpan.FromMilliseconds(20) }));

    public NodeToken Token(string node = "r1")
    {
        var token = NodeToken.Open(TokenFile(node));
        _made.Push(new Released(token));
        return token;
    }

    public T Owned<T>(T made)
        where T : IAsyncDisposable
    {
        _made.Push(made);
        return made;
    }

    /// <summary>Completes with the snapshot that the condition holds for.</summary>
    public static async Task<EtcdSnapshot> When(IEtcdMirror mirror, Func<EtcdSnapshot, bool> holds, string phase)
    {
        var met = new TaskCompletionSource<EtcdSnapshot>(TaskCreationOptions.RunContinuationsAsynchronously);
        mirror.Changed += Check;
        Check(mirror.Current, mirror.Current);
        var found = await Waiting.For(met.Task, phase);
        mirror.Changed -= Check;
        return found;

        void Check(EtcdSnapshot before, EtcdSnapshot after)
        {
            if (holds(after))
                met.TrySetResult(after);
        }
    }

    /// <summary>Completes with the nodes that the condition holds for.</summary>
    public static async Task<IReadOnlyList<NodeInfo>> When(INodeDirectory directory, Func<IReadOnlyList<NodeInfo>, bool> holds, string phase)
    {
        var met = new TaskCompletionSource<IReadOnlyList<NodeInfo>>(TaskCreationOptions.RunContinuationsAsynchronously);
        directory.Changed += Check;
        Check(Roles.Room);
        var found = await Waiting.For(met.Task, phase);
        directory.Changed -= Check;
        return found;

        void Check(string role)
        {
            var nodes = directory.Of(Roles.Room);
            if (holds(nodes))
                met.TrySetResult(nodes);
        }
    }

    /// <summary>The next incarnation that the registration tells.</summary>
    public static Task<long> Renewal(NodeRegistration node)
    {
        var renewed = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Renewed += incarnation => renewed.TrySetResult(incarnation);
        return renewed.Task;
    }

    /// <summary>A call of the gateway that the library does not make.</summary>
    public static async Task Post(string endpoint, string path, object body, string? token = null)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, endpoint + path) { Content = JsonContent.Create(body) };
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", token);
        using var response = await http.SendAsync(request);
        Assert.True(response.IsSuccessStatusCode, $"{path}: {await response.Content.ReadAsStringAsync()}");
    }

    public static Task Put(EtcdClient client, string key, string value, long lease = 0) =>
        client.CommitAsync(new EtcdTransaction([], [new EtcdWrite(key, System.Text.Encoding.UTF8.GetBytes(value), lease)]), CancellationToken.None).AsTask();

    public async ValueTask DisposeAsync()
    {
        while (_made.TryPop(out var made))
            await made.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private sealed class Released(IDisposable made) : IAsyncDisposable
    {
        public ValueTask DisposeAsync()
        {
            made.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
