using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PushSystem.Center.Auth;
using PushSystem.Center.Bodies;
using PushSystem.Center.Delivery;
using PushSystem.Center.Endpoints;
using PushSystem.Center.Idempotency;
using PushSystem.Center.Tasks;
using PushSystem.Hosting;

namespace PushSystem.Center;

/// <summary>
/// How a process takes the center in. It needs the contracts IAppDirectory, IMailboxes, IBroadcastLog, IIdempotencyStore,
/// ISessionRegistry, IRoomDirectory and ICoordinator from the container, and the process's problem boundary in front.
/// </summary>
public static class CenterServices
{
    /// <summary>Adds the center; throws when the options are not valid.</summary>
    public static IServiceCollection AddCenter(this IServiceCollection services, CenterOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(OptionsCheck.Validated(options, "Center"));
        services.AddSingleton(new BodyBudget(options.BufferedBodyBytes));
        services.AddSingleton<CenterMetrics>();
        services.AddSingleton<CallerAuth>();
        services.AddSingleton<RequestLimiter>();
        services.AddSingleton<IdempotentRunner>();
        services.AddSingleton<RequestPipeline>();
        services.AddSingleton<SessionRouter>();
        services.AddSingleton<TransientDelivery>();
        services.AddSingleton<DeliveryQueue>();
        services.AddHostedService(provider => provider.GetRequiredService<DeliveryQueue>());
        services.AddSingleton<BroadcastEngine>();
        services.AddHostedService(provider => provider.GetRequiredService<BroadcastEngine>());
        services.AddSingleton<BroadcastTasks>();
        services.AddSingleton<AppEditor>();
        services.AddSingleton<MessageEndpoints>();
        services.AddSingleton<UserEndpoints>();
        services.AddSingleton<BroadcastEndpoints>();
        services.AddSingleton<AppEndpoints>();
        services.AddSingleton<AppKeyEndpoints>();
        return services;
    }

    /// <summary>Maps the API.</summary>
    public static void MapCenter(this IEndpointRouteBuilder endpoints)
    {
        var services = endpoints.ServiceProvider;
        var pipeline = services.GetRequiredService<RequestPipeline>();
        MapForApps(endpoints, pipeline, services);
        MapForAdmin(endpoints, pipeline, services);
    }

    private static void MapForApps(IEndpointRouteBuilder endpoints, RequestPipeline pipeline, IServiceProvider services)
    {
        var messages = services.GetRequiredService<MessageEndpoints>();
        var users = services.GetRequiredService<UserEndpoints>();
        var broadcasts = services.GetRequiredService<BroadcastEndpoints>();
        const int Small = RequestPipeline.SmallBody;

        endpoints.MapPost("/v1/messages", pipeline.ForApp("POST /v1/messages", messages.SendAsync));
        endpoints.MapPost("/v1/messages/batch", pipeline.ForApp("POST /v1/messages/batch", messages.SendBatchAsync));
        endpoints.MapPost("/v1/tickets", pipeline.ForAppOnce("POST /v1/tickets", Small, users.IssueTicket));
        endpoints.MapGet("/v1/users/{user}", pipeline.ForApp("GET /v1/users/{user}", users.GetUser));
        endpoints.MapGet("/v1/users/{user}/messages/{id}", pipeline.ForApp("GET /v1/users/{user}/messages/{id}", users.GetMessage));
        endpoints.MapPost("/v1/users/{user}/kick", pipeline.ForAppOnce("POST /v1/users/{user}/kick", Small, users.Kick));
        endpoints.MapGet("/v1/app", pipeline.ForApp("GET /v1/app", users.GetOwnApp));
        endpoints.MapPost("/v1/broadcasts", pipeline.ForApp("POST /v1/broadcasts", broadcasts.SendAsync));
        endpoints.MapGet("/v1/broadcasts", pipeline.ForApp("GET /v1/broadcasts", broadcasts.List));
        endpoints.MapGet("/v1/broadcasts/{id}", pipeline.ForApp("GET /v1/broadcasts/{id}", broadcasts.Get));
        endpoints.MapPatch("/v1/broadcasts/{id}", pipeline.ForApp("PATCH /v1/broadcasts/{id}", broadcasts.Change));
        endpoints.MapPost("/v1/broadcasts/{id}/pause", pipeline.ForAppOnce("POST /v1/broadcasts/{id}/pause", Small, broadcasts.Pause));
        endpoints.MapPost("/v1/broadcasts/{id}/resume", pipeline.ForAppOnce("POST /v1/broadcasts/{id}/resume", Small, broadcasts.Resume));
        endpoints.MapPost("/v1/broadcasts/{id}/cancel", pipeline.ForAppOnce("POST /v1/broadcasts/{id}/cancel", Small, broadcasts.Cancel));
    }

    private static void MapForAdmin(IEndpointRouteBuilder endpoints, RequestPipeline pipeline, IServiceProvider services)
    {
        var apps = services.GetRequiredService<AppEndpoints>();
        var keys = services.GetRequiredService<AppKeyEndpoints>();

        endpoints.MapPost("/v1/apps", pipeline.ForAdminOnce("POST /v1/apps", apps.Create));
        endpoints.MapGet("/v1/apps", pipeline.ForAdmin("GET /v1/apps", apps.List));
        endpoints.MapGet("/v1/apps/{app}", pipeline.ForAdmin("GET /v1/apps/{app}", apps.Get));
        endpoints.MapPatch("/v1/apps/{app}", pipeline.ForAdmin("PATCH /v1/apps/{app}", apps.Change));
        endpoints.MapDelete("/v1/apps/{app}", pipeline.ForAdmin("DELETE /v1/apps/{app}", apps.Disable));
        endpoints.MapPost("/v1/apps/{app}/api-keys", pipeline.ForAdminOnce("POST /v1/apps/{app}/api-keys", keys.AddApiKey));
        endpoints.MapDelete("/v1/apps/{app}/api-keys/{id}", pipeline.ForAdmin("DELETE /v1/apps/{app}/api-keys/{id}", keys.RemoveApiKey));
        endpoints.MapPost("/v1/apps/{app}/ticket-keys", pipeline.ForAdminOnce("POST /v1/apps/{app}/ticket-keys", keys.AddTicketKey));
        endpoints.MapDelete("/v1/apps/{app}/ticket-keys/{id}", pipeline.ForAdmin("DELETE /v1/apps/{app}/ticket-keys/{id}", keys.RemoveTicketKey));
        endpoints.MapPost("/v1/apps/{app}/webhook-secrets", pipeline.ForAdminOnce("POST /v1/apps/{app}/webhook-secrets", keys.AddWebhookSecret));
    }
}
