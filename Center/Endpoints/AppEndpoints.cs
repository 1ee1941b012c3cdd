using Microsoft.AspNetCore.Http;
using PushSystem.Center.Auth;
using PushSystem.Center.Bodies;
using PushSystem.Center.Idempotency;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

/// <summary>Administration of apps: create, list, look, change, disable. Stateless; any thread.</summary>
internal sealed class AppEndpoints(RequestPipeline pipeline, AppEditor editor, IAppDirectory apps, TimeProvider time)
{
    /// <summary>POST /v1/apps</summary>
    public async ValueTask<ApiAnswer> Create(HttpContext http, ReadOnlyMemory<byte> body)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var app = AppParser.ReadNew(body.Span, now);
        var (apiKey, apiKeyText) = AppKeys.NewApiKey(app.Id, now);
        var ticketKey = AppKeys.NewTicketKey([], now);
        var saved = await editor.CreateAsync(app with { ApiKeys = [apiKey], TicketKeys = [ticketKey] }, CancellationToken.None);
        var view = WithNewSecret(null, saved) with { ApiKey = apiKeyText, TicketKey = NewTicketKeyView.Of(ticketKey) };
        return Answer(view, StatusCodes.Status201Created);
    }

    /// <summary>GET /v1/apps</summary>
    public ValueTask<ApiAnswer> List(HttpContext http)
    {
        var view = new AppListView([.. apps.All.Select(AppView.Of)]);
        return ValueTask.FromResult(new ApiAnswer(200, JsonReply.Serialize(view, CenterJson.Default.AppListView)));
    }

    /// <summary>GET /v1/apps/{app}</summary>
    public ValueTask<ApiAnswer> Get(HttpContext http) => ValueTask.FromResult(Answer(AppView.Of(editor.Find(Id(http)))));

    /// <summary>PATCH /v1/apps/{app}</summary>
    public async ValueTask<ApiAnswer> Change(HttpContext http)
    {
        using var body = await pipeline.ReadBodyAsync(http, RequestPipeline.SmallBody);
        var bytes = body.Bytes;
        AppRecord? before = null;
        var saved = await editor.ChangeAsync(Id(http), "settings", app => AppParser.ReadChange(bytes.Span, before = app), CancellationToken.None);
        return Answer(WithNewSecret(before, saved));
    }

    /// <summary>DELETE /v1/apps/{app}</summary>
    public async ValueTask<ApiAnswer> Disable(HttpContext http) =>
        Answer(AppView.Of(await editor.ChangeAsync(Id(http), "disabled", app => app with { Enabled = false }, CancellationToken.None)));

    private static string Id(HttpContext http) => PathSegments.Route(http, "app");

    // A webhook that was not there before has a new secret, which is shown this once.
    private static AppView WithNewSecret(AppRecord? before, AppRecord saved) => AppView.Of(saved) with
    {
        WebhookSecret = before?.Webhook is null && saved.Webhook is { } webhook ? AppKeys.WebhookSecretText(webhook.Secrets[0]) : null,
    };

    private static ApiAnswer Answer(AppView view, int status = 200) => new(status, JsonReply.Serialize(view, CenterJson.Default.AppView));
}
