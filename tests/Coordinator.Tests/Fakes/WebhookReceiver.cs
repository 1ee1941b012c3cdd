using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace PushSystem.Coordinator.Tests.Fakes;

/// <summary>One request as the receiver saw it.</summary>
public sealed record Received(
    string Path, string Id, long Timestamp, string Signature, string ContentType, byte[] Body, JsonElement Json)
{
    public string User => Json.GetProperty("data").GetProperty("user").GetString()!;

    public string Type => Json.GetProperty("type").GetString()!;

    /// <summary>"user:message id" of upstream events, "user:type" of others.</summary>
    public string Name => $"{User}:{(Type == "upstream" ? Json.GetProperty("data").GetProperty("messageId").GetInt64().ToString() : Type)}";
}

/// <summary>A business's webhook: a real Kestrel on a free port that answers as the test says.</summary>
public sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _now, _most;

    private WebhookReceiver(Func<Received, HttpContext, Task> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async context =>
        {
            var now = Interlocked.Increment(ref _now);
            lock (this)
                _most = Math.Max(_most, now);
            try
            {
                var received = await ReadAsync(context);
                Requests.Enqueue(received);
                await answer(received, context);
                Answered.Enqueue((received, context.Response.StatusCode));
            }
            finally
            {
                Interlocked.Decrement(ref _now);
            }
        });
    }

    public ConcurrentQueue<Received> Requests { get; } = new();
    public ConcurrentQueue<(Received Request, int Status)> Answered { get; } = new();
    public string Url { get; private set; } = "";

    public int MostAtOnce
    {
        get
        {
            lock (this)
                return _most;
        }
    }

    public int NowInside => Volatile.Read(ref _now);

    /// <summary>Names of the events that were answered with success, in the order of the answers.</summary>
    public string[] Accepted => [.. Answered.Where(answer => answer.Status == 200).Select(answer => answer.Request.Name)];

    public static async Task<WebhookReceiver> StartAsync(Func<Received, HttpContext, Task>? answer = null)
    {
        var receiver = new WebhookReceiver(answer ?? ((_, _) => Task.CompletedTask));
        await receiver._app.StartAsync();
        receiver.Url = receiver._app.Urls.First();
        return receiver;
    }

    public static Task<WebhookReceiver> StartAsync(Func<Received, int> status) => StartAsync((received, context) =>
    {
        context.Response.StatusCode = status(received);
        return Task.CompletedTask;
    });

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private static async Task<Received> ReadAsync(HttpContext context)
    {
        using var buffer = new MemoryStream();
        await context.Request.Body.CopyToAsync(buffer);
        var body = buffer.ToArray();
        return new Received(context.Request.Path, context.Request.Headers["webhook-id"].ToString(),
            long.Parse(context.Request.Headers["webhook-timestamp"].ToString()), context.Request.Headers["webhook-signature"].ToString(),
            context.Request.ContentType ?? "", body, JsonDocument.Parse(body).RootElement);
    }
}
