using System.Globalization;
using Microsoft.AspNetCore.Http;
using PushSystem.Center.Auth;
using PushSystem.Center.Bodies;
using PushSystem.Center.Idempotency;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

/// <summary>Administration of an app's keys and secrets; each secret is shown once. Stateless; any thread.</summary>
internal sealed class AppKeyEndpoints(AppEditor editor, TimeProvider time)
{
    /// <summary>POST /v1/apps/{app}/api-keys</summary>
    public async ValueTask<ApiAnswer> AddApiKey(HttpContext http, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        var id = Id(http);
        var (key, text) = AppKeys.NewApiKey(id, Now());
        await editor.ChangeAsync(id, "API key added", app => app.ApiKeys.Count < AppKeys.MaxApiKeys
            ? app with { ApiKeys = [.. app.ApiKeys, key] }
            : throw Problems.TooManyKeys("API keys", AppKeys.MaxApiKeys), CancellationToken.None);
        return new ApiAnswer(201, JsonReply.Serialize(new NewApiKeyView(key.Id, text), CenterJson.Default.NewApiKeyView));
    }

    /// <summary>DELETE /v1/apps/{app}/api-keys/{id}</summary>
    public async ValueTask<ApiAnswer> RemoveApiKey(HttpContext http)
    {
        var id = PathSegments.Route(http, "id");
        await editor.ChangeAsync(Id(http), "API key removed", app =>
        {
            var left = app.ApiKeys.Where(key => key.Id != id).ToArray();
            return left.Length < app.ApiKeys.Count ? app with { ApiKeys = left } : throw Problems.NoSuchKey(id);
        }, CancellationToken.None);
        return new ApiAnswer(204, default);
    }

    /// <summary>POST /v1/apps/{app}/ticket-keys</summary>
    public async ValueTask<ApiAnswer> AddTicketKey(HttpContext http, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        AppTicketKey? added = null;
        await editor.ChangeAsync(Id(http), "ticket key added", app =>
        {
            if (app.TicketKeys.Count >= AppKeys.MaxTicketKeys)
                throw Problems.TooManyKeys("ticket keys", AppKeys.MaxTicketKeys);
            added = AppKeys.NewTicketKey(app.TicketKeys, Now());
            return app with { TicketKeys = [.. app.TicketKeys, added] };
        }, CancellationToken.None);
        return new ApiAnswer(201, JsonReply.Serialize(NewTicketKeyView.Of(added!), CenterJson.Default.NewTicketKeyView));
    }

    /// <summary>DELETE /v1/apps/{app}/ticket-keys/{id}</summary>
    public async ValueTask<ApiAnswer> RemoveTicketKey(HttpContext http)
    {
        var text = PathSegments.Route(http, "id");
        if (!uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            throw Problems.NoSuchKey(text);
        await editor.ChangeAsync(Id(http), "ticket key removed", app =>
        {
            var left = app.TicketKeys.Where(key => key.Id != id).ToArray();
            return left.Length < app.TicketKeys.Count ? app with { TicketKeys = left } : throw Problems.NoSuchKey(text);
        }, CancellationToken.None);
        return new ApiAnswer(204, default);
    }

    /// <summary>POST /v1/apps/{app}/webhook-secrets: the newest two sign, an older one ends.</summary>
    public async ValueTask<ApiAnswer> AddWebhookSecret(HttpContext http, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        var secret = AppKeys.NewWebhookSecret();
        await editor.ChangeAsync(Id(http), "webhook secret added", app => app.Webhook is { } webhook
            ? app with { Webhook = webhook with { Secrets = [secret, .. webhook.Secrets.Take(AppKeys.MaxWebhookSecrets - 1)] } }
            : throw Problems.NoWebhook(), CancellationToken.None);
        var view = new NewWebhookSecretView(AppKeys.WebhookSecretText(secret));
        return new ApiAnswer(201, JsonReply.Serialize(view, CenterJson.Default.NewWebhookSecretView));
    }

    private static string Id(HttpContext http) => PathSegments.Route(http, "app");

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();
}
