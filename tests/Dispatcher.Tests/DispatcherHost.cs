using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Hosting.Health;
using PushSystem.Hosting.Problems;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Dispatcher.Tests;

/// <summary>A dispatcher on a real port over a fake directory, with a clock that stands still.</summary>
internal sealed class DispatcherHost : IAsyncDisposable
{
    private readonly WebApplication _application;

    private DispatcherHost(DispatcherOptions options, RoomInfo[] rooms)
    {
        Settings = new DispatcherSettings(options);
        Directory.Rooms = rooms;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddSingleton<TimeProvider>(Clock).AddSingleton<IRoomDirectory>(Directory).AddHealthAndMetrics().AddDispatcher(Settings);
        _application = builder.Build();
        _application.UseProblems();
        _application.MapHealthAndMetrics();
        _application.MapDispatcher();
    }

    public DispatcherSettings Settings { get; }
    public FakeClock Clock { get; } = new();
    public FakeDirectory Directory { get; } = new();
    public HttpClient Http { get; private set; } = null!;

    public static async Task<DispatcherHost> StartAsync(DispatcherOptions? options = null, params RoomInfo[] rooms)
    {
        var host = new DispatcherHost(options ?? new DispatcherOptions(), rooms);
        await host._application.StartAsync();
        var address = host._application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        host.Http = new HttpClient { BaseAddress = new Uri(address) };
        return host;
    }

    public async Task<(HttpResponseMessage Response, JsonObject Json)> AskAsync(string query = "", int expect = 200, params string[] forwardedFor)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"/v1/route{query}", UriKind.Relative));
        if (forwardedFor.Length > 0)
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", forwardedFor);
        var response = await Http.SendAsync(request);
        var body = await response.Content.ReadAsStringAsync();
        Assert.True((int)response.StatusCode == expect, $"expected {expect}, got {(int)response.StatusCode}: {body}");
        return (response, JsonNode.Parse(body)!.AsObject());
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _application.DisposeAsync();
    }
}

/// <summary>A directory whose rooms the test sets.</summary>
internal sealed class FakeDirectory : IRoomDirectory
{
    public IReadOnlyList<RoomInfo> Rooms { get; set; } = [];

    public IRoomNode? Find(string room, long incarnation) => throw new InvalidOperationException("the dispatcher calls no room");
}
