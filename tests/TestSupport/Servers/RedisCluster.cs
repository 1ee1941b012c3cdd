namespace PushSystem.TestSupport.Servers;

/// <summary>A real Redis Cluster of masters without replicas, all slots covered. Owned by the test, which disposes it.</summary>
public sealed class RedisCluster : IAsyncDisposable
{
    private RedisCluster(IReadOnlyList<RedisServer> masters) => Masters = masters;

    /// <summary>The servers; each can be killed, stopped and restarted.</summary>
    public IReadOnlyList<RedisServer> Masters { get; }

    /// <summary>"127.0.0.1:port,127.0.0.1:port…".</summary>
    public string EndPoints => string.Join(',', Masters.Select(master => master.EndPoint));

    /// <summary>Starts the servers and lets them form a cluster.</summary>
    public static async Task<RedisCluster> StartAsync(int masters = 3)
    {
        var servers = await Task.WhenAll(Enumerable.Range(0, masters).Select(_ =>
        {
            // The bus port has to be free as well and is by default 10,000 higher, where ports are ephemeral.
            var bus = FreePorts.Take(1)[0];
            return RedisServer.StartAsync(
                "--cluster-enabled", "yes", "--cluster-port", $"{bus}", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no");
        }));
        var cluster = new RedisCluster(servers);
        await RedisCli.RunAsync(servers[0].Port, ["--cluster", "create", .. servers.Select(server => server.EndPoint), "--cluster-yes"]);
        foreach (var server in servers)
        {
            // The command returns when the first member agrees; the others hear of it by gossip.
            while (!(await server.CliAsync("cluster", "info")).Contains("cluster_state:ok", StringComparison.Ordinal))
                await Task.Yield();
        }
        return cluster;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var master in Masters)
            await master.DisposeAsync();
    }
}
