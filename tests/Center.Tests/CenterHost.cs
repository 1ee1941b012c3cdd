using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PushSystem.Center.Auth;
using PushSystem.Center.Tests.Fakes;
using PushSystem.Contracts;
using PushSystem.Hosting.Health;
using PushSystem.Hosting.Problems;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests;

/// <summary>A center on a real port over fakes of the contracts, with a clock that stands still.</summary>
internal sealed class CenterHost : IAsyncDisposable
{
    public const string App = "shop", OtherApp = "other";

    private readonly ErrorLog _errors = new();
    private readonly WebApplication _application;

    private CenterHost(Action<CenterOptions>? configure, Action<CenterHost>? prepare)
    {
        Mailboxes = new FakeMailboxes(Clock);
        Log = new FakeBroadcastLog(Clock) { Claims = Claims };
        Multicasts = new FakeMulticasts(Clock);
        AdminKey = AppKeys.NewAdminKey();
        AppKey = AddApp(App);
        OtherKey = AddApp(OtherApp);
        prepare?.Invoke(this);
        var options = new CenterOptions { AdminKeyHash = Convert.ToHexString(AppKeys.Hash(AdminKey)) };
        configure?.Invoke(options);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(_errors);
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton<TimeProvider>(Clock);
        builder.Services.AddSingleton<IAppDirectory>(Apps).AddSingleton<IMailboxes>(Mailboxes).AddSingleton<IBroadcastLog>(Log)
            .AddSingleton<IIdempotencyStore>(Idempotency).AddSingleton<ISessionRegistry>(Registry).AddSingleton<IRoomDirectory>(Rooms)
            .AddSingleton<ICoordinator>(Coordinator).AddSingleton<IMulticasts>(Multicasts).AddSingleton<IWorkClaims>(Claims);
        if (Peers is not null)
            builder.Services.AddSingleton<IPeers>(Peers);
        builder.Services.AddHealthAndMetrics();
        builder.Services.AddCenter(options);
        _application = builder.Build();
        _application.UseProblems();
        _application.MapHealthAndMetrics();
        _application.MapCenter();
    }

    public static long StartMilliseconds { get; } = new FakeClock().GetUtcNow().ToUnixTimeMilliseconds();

    public FakeClock Clock { get; } = new();
    public FakeApps Apps { get; } = new();
    public FakeMailboxes Mailboxes { get; }
    public FakeBroadcastLog Log { get; }
    public FakeMulticasts Multicasts { get; }
    public FakeClaims Claims { get; } = new();
    /// <summary>Null: the center is alone.</summary>
    public FakePeers? Peers { get; set; }
    public FakeIdempotency Idempotency { get; } = new();
    public FakeRegistry Registry { get; } = new();
    public FakeRooms Rooms { get; } = new();
    public FakeCoordinator Coordinator { get; } = new();
    public string AdminKey { get; }
    public string AppKey { get; }
    public string OtherKey { get; }
    public HttpClient Http { get; private set; } = null!;
    public IServiceProvider Services => _application.Services;

    /// <summary>Errors that the test expects to be logged are taken out of the way.</summary>
    public void ForgetErrors() => _errors.Errors.Clear();

    public static async Task<CenterHost> StartAsync(Action<CenterOptions>? configure = null, Action<CenterHost>? prepare = null)
    {
        var host = new CenterHost(configure, prepare);
        await host._application.StartAsync();
        var address = host._application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        host.Http = new HttpClient { BaseAddress = new Uri(address) };
        return host;
    }

    public AppRecord Edit(string app, Func<AppRecord, AppRecord> change)
    {
        var record = Apps.Find(app)!;
        return Apps.SaveAsync(change(record), record.Revision, CancellationToken.None).Result!;
    }

    /// <summary>Sends as the app, or with another key; key "" sends none.</summary>
    public Task<Answer> SendAsync(
        string method, string path, string? body = null, string? key = null, string? idempotencyKey = null, string? contentType = "application/json") =>
        SendBytesAsync(method, path, body is null ? null : Encoding.UTF8.GetBytes(body), key, idempotencyKey, contentType);

    /// <inheritdoc cref="SendAsync"/>
    public async Task<Answer> SendBytesAsync(
        string method, string path, byte[]? body, string? key = null, string? idempotencyKey = null, string? contentType = "application/json")
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (key != "")
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key ?? AppKey);
        if (idempotencyKey is not null)
            request.Headers.TryAddWithoutValidation("Idempotency-Key", idempotencyKey);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            if (contentType is not null)
                request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        }
        using var response = await Http.SendAsync(request);
        return await Answer.ReadAsync(response);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _application.StopAsync();
        await _application.DisposeAsync();
        Assert.Empty(_errors.Errors);
    }

    private string AddApp(string id)
    {
        var (key, text) = AppKeys.NewApiKey(id, StartMilliseconds);
        var app = new AppRecord { Id = id, CreatedAt = StartMilliseconds, ApiKeys = [key], TicketKeys = [AppKeys.NewTicketKey([], StartMilliseconds)] };
        _ = Apps.SaveAsync(app, 0, CancellationToken.None).Result;
        return text;
    }
}

/// <summary>An answer, read to its end.</summary>
internal sealed record Answer(int Status, string ContentType, string Body, HttpResponseHeaders Headers)
{
    public JsonObject Json => JsonNode.Parse(Body)!.AsObject();

    public string? Text(string member) => (string?)Json[member];

    public bool IsReplayed => Headers.TryGetValues("Idempotent-Replayed", out var values) && values.Single() == "true";

    public static async Task<Answer> ReadAsync(HttpResponseMessage response) => new(
        (int)response.StatusCode, response.Content.Headers.ContentType?.MediaType ?? "", await response.Content.ReadAsStringAsync(), response.Headers);

    public Answer Expect(int status)
    {
        Assert.True(status == Status, $"expected {status}, got {Status}: {Body}");
        return this;
    }

    /// <summary>A problem of this name, which names this field unless null.</summary>
    public Answer ExpectProblem(int status, string slug, string? field = null)
    {
        Expect(status);
        Assert.Equal("application/problem+json", ContentType);
        Assert.Equal($"/problems/{slug}", Text("type"));
        Assert.Equal(status, (int)Json["status"]!);
        Assert.False(string.IsNullOrEmpty(Text("title")));
        Assert.False(string.IsNullOrEmpty(Text("detail")));
        if (field is not null)
            Assert.Equal(field, Text("field"));
        return this;
    }
}
