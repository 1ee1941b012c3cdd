namespace PushSystem.TestSupport.Servers;

/// <summary>A real etcd, one member.</summary>
public sealed class EtcdServer : ServerProcess
{
    private readonly int[] _ports = FreePorts.Take(2);
    private readonly string[] _extra;

    private EtcdServer(string[] extra) => _extra = extra;

    /// <summary>The client URL, "http://127.0.0.1:port".</summary>
    public string Endpoint => $"http://127.0.0.1:{_ports[0]}";

    /// <inheritdoc/>
    protected override (string File, string[] Arguments) Command => ("etcd",
    [
        "--name", "one", "--data-dir", Path.Combine(Folder, "data"), "--listen-client-urls", Endpoint, "--advertise-client-urls", Endpoint,
        "--listen-peer-urls", $"http://127.0.0.1:{_ports[1]}", "--initial-advertise-peer-urls", $"http://127.0.0.1:{_ports[1]}",
        "--initial-cluster", $"one=http://127.0.0.1:{_ports[1]}", "--unsafe-no-fsync", .. _extra,
    ]);

    /// <summary>Starts one. <paramref name="extra"/> are further command-line arguments.</summary>
    public static async Task<EtcdServer> StartAsync(params string[] extra)
    {
        var server = new EtcdServer(extra);
        await server.RestartAsync();
        return server;
    }

    /// <inheritdoc/>
    protected override bool IsReady(string line) => line.Contains("ready to serve client requests", StringComparison.Ordinal);
}
