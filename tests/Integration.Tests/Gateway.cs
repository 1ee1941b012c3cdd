using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using PushSystem.TestSupport;

namespace PushSystem.Integration.Tests;

/// <summary>
/// One Standalone as a process of its own on free ports and a throw-away data folder, which survives <see cref="Kill"/> and
/// <see cref="Start"/>. Owned by the test; DisposeAsync ends the process and removes the folder.
/// </summary>
internal sealed class Gateway : IGateway, IAsyncDisposable
{
    private readonly string[] _extra;
    private ChildProcess? _process;

    private Gateway(string[] extra)
    {
        _extra = extra;
        var ports = FreePorts.Take(3);
        (ApiPort, DispatcherPort, RoomPort) = (ports[0], ports[1], ports[2]);
        Data = Directory.CreateTempSubdirectory("push-test-").FullName;
        Http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{ApiPort}"), Timeout = TimeSpan.FromSeconds(20) };
    }

    public int ApiPort { get; }
    public int DispatcherPort { get; }
    public int RoomPort { get; }
    public string Data { get; }
    public string AppKey { get; private set; } = "";
    public string AdminKey { get; private set; } = "";
    public HttpClient Http { get; }
    public Uri Dispatcher => new($"http://127.0.0.1:{DispatcherPort}");
    public ChildProcess Process => _process ?? throw new InvalidOperationException("not started");
    public static string Root { get; } = FindRoot();

    /// <summary>"Debug" or "Release", as these tests themselves were built.</summary>
    public static string Configuration { get; } = AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug";

    public static async Task<Gateway> StartNew(params string[] extra)
    {
        var gateway = new Gateway(extra);
        await gateway.Start();
        return gateway;
    }

    /// <summary>Starts the process on the same ports and data and waits until it says that it is ready.</summary>
    public async Task Start()
    {
        _process?.Dispose();
        _process = ChildProcess.Start("dotnet",
        [
            Path.Combine(Root, $"Standalone/bin/{Configuration}/net10.0/PushSystem.Standalone.dll"),
            "--data", Data, "--api", $"127.0.0.1:{ApiPort}", "--dispatcher", $"127.0.0.1:{DispatcherPort}",
            "--room", $"127.0.0.1:{RoomPort}", .. _extra,
        ]);
        await _process.Line(line => line.Contains("is ready", StringComparison.Ordinal), "ready");
        AppKey = (await File.ReadAllTextAsync(Path.Combine(Data, "demo.key"))).Trim();
        AdminKey = (await File.ReadAllTextAsync(Path.Combine(Data, "admin.key"))).Trim();
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AppKey);
    }

    /// <summary>SIGKILL.</summary>
    public Task Kill() => Process.Kill();

    public async Task<(int Status, JsonNode Body)> Post(string path, object body, string? idempotencyKey = null, bool admin = false, CancellationToken cancel = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path);
        request.Content = new StringContent(body as string ?? System.Text.Json.JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        if (idempotencyKey is not null)
            request.Headers.Add("Idempotency-Key", idempotencyKey);
        if (admin)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        using var response = await Http.SendAsync(request, cancel);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync(cancel)) ?? new JsonObject());
    }

    /// <summary>With the admin key.</summary>
    public async Task<(int Status, JsonNode Body)> Patch(string path, object body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, path);
        request.Content = new StringContent(System.Text.Json.JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", AdminKey);
        using var response = await Http.SendAsync(request);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync()) ?? new JsonObject());
    }

    public async Task<(int Status, JsonNode Body)> Get(string path)
    {
        using var response = await Http.GetAsync(path);
        return ((int)response.StatusCode, JsonNode.Parse(await response.Content.ReadAsStringAsync()) ?? new JsonObject());
    }

    /// <summary>A ticket for a user of the demo app.</summary>
    public async Task<string> Ticket(string user)
    {
        var (status, body) = await Post("/v1/tickets", new { user });
        return status == 200 ? body["ticket"]!.GetValue<string>() : throw new InvalidOperationException($"ticket refused: {status} {body}");
    }

    public async ValueTask DisposeAsync()
    {
        _process?.Dispose();
        Http.Dispose();
        await Task.Yield();
        Directory.Delete(Data, recursive: true);
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PushSystem.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException("PushSystem.sln was not found above the test's folder");
    }
}
