using Microsoft.Extensions.Logging;
using PushSystem.Rpc.Tests.Proto;

namespace PushSystem.Rpc.Tests.Support;

/// <summary>
/// A server "server" with the tests' methods and the links of a node "client", over loopback. Disposing it ends both and fails the test
/// if an error was logged that it did not expect.
/// </summary>
internal sealed class NodePair : IAsyncDisposable
{
    public static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    private NodePair(RpcServer server, NodeLinks links, LogCollector log)
    {
        Server = server;
        Links = links;
        Log = log;
    }

    public static byte[] Key { get; } = [.. Enumerable.Range(1, 32).Select(value => (byte)value)];

    public RpcServer Server { get; }

    public NodeLinks Links { get; }

    public LogCollector Log { get; }

    public bool ExpectsErrors { get; set; }

    public NodeAddress Address => new("server", "127.0.0.1", Server.EndPoint.Port);

    public IRpcCaller Caller => Links.To(Address);

    public IRpcRawCaller RawCaller => Links.ToRaw(Address);

    public static RpcOptions Options(string nodeId) => new() { NodeId = nodeId, ClusterKeys = [Key] };

    public static async Task<NodePair> StartAsync(
        Action<RpcMethods>? methods = null, Action<RpcOptions>? client = null, Action<RpcOptions>? server = null, TimeProvider? time = null)
    {
        var log = new LogCollector();
        var added = new RpcMethods();
        added.Add(TestMethods.Echo, static (request, _) => ValueTask.FromResult(request));
        methods?.Invoke(added);
        var serverOptions = Options("server");
        server?.Invoke(serverOptions);
        var clientOptions = Options("client");
        client?.Invoke(clientOptions);
        var running = new RpcServer(serverOptions, added, log.CreateLogger<RpcServer>(), time);
        await running.StartAsync();
        return new NodePair(running, new NodeLinks(clientOptions, log.CreateLogger<NodeLinks>(), time), log);
    }

    public ValueTask<Echo> EchoAsync(Echo request) => Caller.CallAsync(TestMethods.Echo, request, Long, CancellationToken.None);

    public async ValueTask DisposeAsync()
    {
        await Links.DisposeAsync();
        await Server.DisposeAsync();
        if (!ExpectsErrors)
            Assert.Empty(Log.Errors);
    }
}
