using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>
/// A whole cluster on this machine: real etcd, redis and MariaDB and two processes of every role, with the app "demo".
/// Owned by the test or its fixture; DisposeAsync ends every process and removes the folder.
/// </summary>
internal sealed class TestCluster : IGateway, IAsyncDisposable
{
    private readonly List<NodeProcess> _nodes = [];
    private readonly List<HttpClient> _centers = [];
    private int _next;

    private TestCluster(EtcdServer etcd, RedisServer redis, MariaDbServer sql)
    {
        (Etcd, Redis, Sql) = (etcd, redis, sql);
        Data = Directory.CreateTempSubdirectory("push-cluster-").FullName;
    }

    public EtcdServer Etcd { get; }
    public RedisServer Redis { get; }
    public MariaDbServer Sql { get; }
    public string Data { get; }
    public string AppKey { get; private set; } = "";
    public string AdminKey { get; } = "pa_" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
    public Uri Dispatcher => new($"http://127.0.0.1:{Ports["dispatcher-1"].Public}");
    public IReadOnlyList<NodeProcess> Nodes => _nodes;
    public Dictionary<string, (int Links, int Http, int Public)> Ports { get; } = [];

    /// <summary>How long a node that is not heard of counts as alive.</summary>
    public int LeaseSeconds { get; private init; } = 3;

    public NodeProcess this[string id] => _nodes.Single(node => node.Id == id);

    /// <summary>Starts the servers and <paramref name="each"/> processes of every role.</summary>
    public static async Task<TestCluster> StartAsync(int each = 2, int leaseSeconds = 3)
    {
        var etcd = EtcdServer.StartAsync();
        var redis = RedisServer.StartAsync("--hash-max-listpack-entries", "512", "--hash-max-listpack-value", "512");
        var sql = MariaDbServer.StartAsync();
        await Task.WhenAll(etcd, redis, sql);
        var cluster = new TestCluster(await etcd, await redis, await sql) { LeaseSeconds = leaseSeconds };
        try
        {
            await cluster.StartNodesAsync(each);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Posts to one center after the other, until one answers.</summary>
    public async Task<(int Status, JsonNode Body)> Post(string path, object body, string? idempotencyKey = null, int? center = null, bool admin = false)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = new StringContent(body as string ?? System.Text.Json.JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", admin ? AdminKey : AppKey);
        if (idempotencyKey is not null)
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        return await SendAsync(request, center);
    }

    public async Task<(int Status, JsonNode Body)> Patch(string path, object body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, path);
        request.Content = new StringContent(System.Text.Json.JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        return await SendAsync(request, 0);
    }

    public async Task<(int Status, JsonNode Body)> Get(string path, int? center = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", AppKey);
        return await SendAsync(request, center);
    }

    /// <inheritdoc/>
    public async Task<string> Ticket(string user)
    {
        while (true)
        {
            try
            {
                var (status, body) = await Post("/v1/tickets", new { user });
                if (status == 200)
                    return body["ticket"]!.GetValue<string>();
                if (status < 500)
                    throw new InvalidOperationException($"ticket refused: {status} {body}");
            }
            catch (HttpRequestException)
            {
                // That center is dead at the moment; the next one is asked.
            }
            await Task.Delay(50);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            node.Dispose();
        foreach (var center in _centers)
            center.Dispose();
        await Etcd.DisposeAsync();
        await Redis.DisposeAsync();
        await Sql.DisposeAsync();
        Directory.Delete(Data, recursive: true);
    }

    private async Task<(int Status, JsonNode Body)> SendAsync(HttpRequestMessage request, int? center)
    {
        var http = _centers[(center ?? Interlocked.Increment(ref _next)) % _centers.Count];
        using var response = await http.SendAsync(request);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync()) ?? new JsonObject());
    }

    private async Task StartNodesAsync(int each)
    {
        await File.WriteAllTextAsync(Path.Combine(Data, "cluster.key"), Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)) + "\n");
        await File.WriteAllTextAsync(Path.Combine(Data, "admin.key"), AdminKey + "\n");
        await File.WriteAllTextAsync(Path.Combine(Data, "sql.password"), Sql.Password + "\n");
        foreach (var role in new[] { "saver", "register", "coordinator", "room", "center", "dispatcher" })
        {
            for (var number = 1; number <= each; number++)
                await AddAsync(role, $"{role}-{number}");
        }
        // Stores first; within a stage at once.
        foreach (var stage in new[] { new[] { "saver", "register" }, ["coordinator", "room"], ["center", "dispatcher"] })
            await Task.WhenAll(_nodes.Where(node => stage.Contains(node.Role)).Select(node => node.StartAsync()));
        for (var number = 1; number <= each; number++)
        {
            _centers.Add(new HttpClient
            {
                BaseAddress = new Uri($"http://127.0.0.1:{Ports[$"center-{number}"].Public}"), Timeout = TimeSpan.FromSeconds(20),
            });
        }
        var (status, app) = await Post("/v1/apps", new { id = "demo" }, admin: true, center: 0);
        if (status != 201 && status != 200)
            throw new InvalidOperationException($"the app could not be made: {status} {app}");
        AppKey = app["apiKey"]!.GetValue<string>();
        // The other centers hear of it from etcd.
        for (var center = 0; center < each; center++)
        {
            while ((await Get("/v1/app", center)).Status == 401)
                await Task.Delay(10);
        }
    }

    private async Task AddAsync(string role, string id)
    {
        var ports = FreePorts.Take(3);
        Ports[id] = (ports[0], ports[1], ports[2]);
        var text = new StringBuilder($"""
            cluster: test
            node: {id}
            data: {Path.Combine(Data, id)}
            clusterKeyFile: {Path.Combine(Data, "cluster.key")}
            drainTime: 00:00:05
            etcd:
              endpoints: ["{Etcd.Endpoint}"]
              leaseTime: 00:00:0{LeaseSeconds}
            links:
              listen: 127.0.0.1:{ports[0]}
            http:
              listen: 127.0.0.1:{ports[1]}

            """);
        text.Append(role switch
        {
            "room" => $"room:\n  listen: [\"127.0.0.1:{ports[2]}\"]\n",
            "center" => $"center:\n  listen: 127.0.0.1:{ports[2]}\n  adminKeyFile: {Path.Combine(Data, "admin.key")}\n",
            "dispatcher" => $"dispatcher:\n  listen: 127.0.0.1:{ports[2]}\n",
            "register" => $"redis:\n  endPoints: {Redis.EndPoint}\n",
            "saver" => $"redis:\n  endPoints: {Redis.EndPoint}\nsql:\n  connectionString: Server=127.0.0.1;Port={Sql.Port};User ID=push;Database=push\n"
                + $"  passwordFile: {Path.Combine(Data, "sql.password")}\n",
            _ => "",
        });
        var file = Path.Combine(Data, $"{id}.yaml");
        await File.WriteAllTextAsync(file, text.ToString());
        _nodes.Add(new NodeProcess(role, id, file));
    }
}
