namespace PushSystem.TestSupport.Servers;

/// <summary>A real redis with an append-only file (everysec).</summary>
public sealed class RedisServer : ServerProcess
{
    private readonly string[] _extra;

    private RedisServer(string[] extra) => _extra = extra;

    /// <summary>The port; the same over restarts.</summary>
    public int Port { get; } = FreePorts.Take(1)[0];

    /// <summary>"127.0.0.1:port".</summary>
    public string EndPoint => $"127.0.0.1:{Port}";

    /// <inheritdoc/>
    protected override (string File, string[] Arguments) Command => ("redis-server",
    [
        "--port", $"{Port}", "--bind", "127.0.0.1", "--dir", Folder, "--appendonly", "yes", "--appendfsync", "everysec", "--save", "",
        "--maxmemory-policy", "noeviction", "--daemonize", "no", .. _extra,
    ]);

    /// <summary>Starts one. <paramref name="extra"/> are further arguments as on its command line: "--maxmemory", "10mb".</summary>
    public static async Task<RedisServer> StartAsync(params string[] extra)
    {
        var server = new RedisServer(extra);
        await server.RestartAsync();
        return server;
    }

    /// <summary>Starts a replica of another one. It follows as soon as the link is up; ask it by "ROLE" or "INFO replication".</summary>
    public static Task<RedisServer> StartReplicaAsync(RedisServer master, params string[] extra) =>
        StartAsync(["--replicaof", "127.0.0.1", $"{master.Port}", .. extra]);

    /// <summary>Runs redis-cli against it and returns what it printed.</summary>
    public Task<string> CliAsync(params string[] arguments) => RedisCli.RunAsync(Port, arguments);

    /// <inheritdoc/>
    protected override bool IsReady(string line) => line.Contains("Ready to accept connections", StringComparison.Ordinal);
}
