using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Idempotency;
using PushSystem.Center.OpenApi;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

/// <summary>Every path of the API with what serves it and what is said of it. Used once, while the process starts.</summary>
internal sealed class CenterRoutes(IEndpointRouteBuilder endpoints)
{
    private readonly IServiceProvider _services = endpoints.ServiceProvider;
    private readonly RequestPipeline _pipeline = endpoints.ServiceProvider.GetRequiredService<RequestPipeline>();

    public void MapForApps()
    {
        var messages = _services.GetRequiredService<MessageEndpoints>();
        Own("POST", "/v1/messages", messages.SendAsync, AppOperations.SendMessage);
        Own("POST", "/v1/messages/batch", messages.SendBatchAsync, AppOperations.SendBatch);

        var users = _services.GetRequiredService<UserEndpoints>();
        Once("/v1/tickets", users.IssueTicket, AppOperations.IssueTicket);
        Plain("GET", "/v1/users/{user}", users.GetUser, AppOperations.GetUser);
        Plain("GET", "/v1/users/{user}/messages/{id}", users.GetMessage, AppOperations.GetMessage);
        Once("/v1/users/{user}/kick", users.Kick, AppOperations.Kick);
        Plain("GET", "/v1/app", users.GetOwnApp, AppOperations.GetOwnApp);

        var broadcasts = _services.GetRequiredService<BroadcastEndpoints>();
        Own("POST", "/v1/broadcasts", broadcasts.SendAsync, AppOperations.SendBroadcast);
        Plain("GET", "/v1/broadcasts", broadcasts.List, AppOperations.ListBroadcasts);
        Plain("GET", "/v1/broadcasts/{id}", broadcasts.Get, AppOperations.GetBroadcast);
        Plain("PATCH", "/v1/broadcasts/{id}", broadcasts.Change, AppOperations.ChangeBroadcast);
        Once("/v1/broadcasts/{id}/pause", broadcasts.Pause, AppOperations.PauseBroadcast);
        Once("/v1/broadcasts/{id}/resume", broadcasts.Resume, AppOperations.ResumeBroadcast);
        Once("/v1/broadcasts/{id}/cancel", broadcasts.Cancel, AppOperations.CancelBroadcast);

        var multicasts = _services.GetRequiredService<MulticastEndpoints>();
        Own("POST", "/v1/multicasts", multicasts.SendAsync, MulticastOperations.SendMulticast);
        Plain("GET", "/v1/multicasts", multicasts.List, MulticastOperations.ListMulticasts);
        Plain("GET", "/v1/multicasts/{id}", multicasts.Get, MulticastOperations.GetMulticast);
        Plain("PATCH", "/v1/multicasts/{id}", multicasts.Change, MulticastOperations.ChangeMulticast);
        Once("/v1/multicasts/{id}/pause", multicasts.Pause, MulticastOperations.PauseMulticast);
        Once("/v1/multicasts/{id}/resume", multicasts.Resume, MulticastOperations.ResumeMulticast);
        Once("/v1/multicasts/{id}/cancel", multicasts.Cancel, MulticastOperations.CancelMulticast);
    }

    public void MapForAdmin()
    {
        var apps = _services.GetRequiredService<AppEndpoints>();
        AdminOnce("/v1/apps", apps.Create, AdminOperations.CreateApp);
        Admin("GET", "/v1/apps", apps.List, AdminOperations.ListApps);
        Admin("GET", "/v1/apps/{app}", apps.Get, AdminOperations.GetApp);
        Admin("PATCH", "/v1/apps/{app}", apps.Change, AdminOperations.ChangeApp);
        Admin("DELETE", "/v1/apps/{app}", apps.Disable, AdminOperations.DisableApp);

        var keys = _services.GetRequiredService<AppKeyEndpoints>();
        AdminOnce("/v1/apps/{app}/api-keys", keys.AddApiKey, AdminOperations.AddApiKey);
        Admin("DELETE", "/v1/apps/{app}/api-keys/{id}", keys.RemoveApiKey, AdminOperations.RemoveApiKey);
        AdminOnce("/v1/apps/{app}/ticket-keys", keys.AddTicketKey, AdminOperations.AddTicketKey);
        Admin("DELETE", "/v1/apps/{app}/ticket-keys/{id}", keys.RemoveTicketKey, AdminOperations.RemoveTicketKey);
        AdminOnce("/v1/apps/{app}/webhook-secrets", keys.AddWebhookSecret, AdminOperations.AddWebhookSecret);
    }

    private void Own(string method, string path, Func<HttpContext, AppRecord, Task> handle, ApiOperation operation) =>
        Map(method, path, _pipeline.ForApp($"{method} {path}", handle), operation);

    private void Plain(string method, string path, Func<HttpContext, AppRecord, ValueTask<ApiAnswer>> handle, ApiOperation operation) =>
        Map(method, path, _pipeline.ForApp($"{method} {path}", handle), operation);

    private void Once(string path, Func<HttpContext, AppRecord, ReadOnlyMemory<byte>, ValueTask<ApiAnswer>> handle, ApiOperation operation) =>
        Map("POST", path, _pipeline.ForAppOnce($"POST {path}", handle), operation);

    private void Admin(string method, string path, Func<HttpContext, ValueTask<ApiAnswer>> handle, ApiOperation operation) =>
        Map(method, path, _pipeline.ForAdmin($"{method} {path}", handle), operation);

    private void AdminOnce(string path, Func<HttpContext, ReadOnlyMemory<byte>, ValueTask<ApiAnswer>> handle, ApiOperation operation) =>
        Map("POST", path, _pipeline.ForAdminOnce($"POST {path}", handle), operation);

    // The document lists endpoints that name a method of the code; those made of a plain delegate do not by themselves.
    private void Map(string method, string path, RequestDelegate handle, ApiOperation operation) =>
        endpoints.MapMethods(path, [method], handle).WithMetadata(operation, handle.Method);
}
