using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using PushSystem.TestSupport;

namespace PushSystem.Integration.Tests;

/// <summary>The business's webhook: a real HTTP server that checks each signature by itself and hands out what came.</summary>
internal sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly Channel<(string Id, bool SignatureOk, JsonNode Body)> _events = Channel.CreateUnbounded<(string, bool, JsonNode)>();
    private readonly WebApplication _app;

    private WebhookReceiver(WebApplication app, string url) => (_app, Url) = (app, url);

    public string Url { get; }

    /// <summary>"whsec_…" once the app has one; deliveries are checked against it.</summary>
    public string Secret { get; set; } = "";

    /// <summary>What is answered; 200 unless a test says otherwise.</summary>
    public int Status { get; set; } = 200;

    public static async Task<WebhookReceiver> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        var port = FreePorts.Take(1)[0];
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        var app = builder.Build();
        var receiver = new WebhookReceiver(app, $"http://127.0.0.1:{port}/hook");
        app.MapPost("/hook", receiver.Handle);
        await app.StartAsync();
        return receiver;
    }

    public Task<(string Id, bool SignatureOk, JsonNode Body)> Next(string phase) => Waiting.For(_events.Reader.ReadAsync().AsTask(), phase);

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task Handle(HttpContext context)
    {
        using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
        var body = await reader.ReadToEndAsync();
        var id = context.Request.Headers["webhook-id"].ToString();
        var signed = $"{id}.{context.Request.Headers["webhook-timestamp"]}.{body}";
        var ok = false;
        if (Secret.StartsWith("whsec_", StringComparison.Ordinal))
        {
            var mac = HMACSHA256.HashData(Convert.FromBase64String(Secret["whsec_".Length..]), Encoding.UTF8.GetBytes(signed));
            ok = context.Request.Headers["webhook-signature"].ToString().Split(' ').Contains("v1," + Convert.ToBase64String(mac));
        }
        await _events.Writer.WriteAsync((id, ok, JsonNode.Parse(body)!));
        context.Response.StatusCode = Status;
    }
}
