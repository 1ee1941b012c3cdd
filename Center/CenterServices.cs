using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using PushSystem.Center.Auth;
using PushSystem.Center.Bodies;
using PushSystem.Center.Delivery;
using PushSystem.Center.Endpoints;
using PushSystem.Center.Idempotency;
using PushSystem.Center.Multicasts;
using PushSystem.Center.OpenApi;
using PushSystem.Center.Stores;
using PushSystem.Center.Tasks;
using PushSystem.Contracts;
using PushSystem.Hosting;
using PushSystem.Hosting.Health;

namespace PushSystem.Center;

/// <summary>
/// How a process takes the center in. It needs the contracts IAppDirectory, IMailboxes, IBroadcastLog, IMulticasts, IWorkClaims,
/// IIdempotencyStore, ISessionRegistry, IRoomDirectory and ICoordinator from the container, and the process's problem boundary in
/// front. With several centers the container has IPeers before the center is added, and may have ITaskWakeUps; a center without IPeers
/// is alone with its stores.
/// </summary>
public static class CenterServices
{
    /// <summary>Adds the center; throws when the options are not valid.</summary>
    public static IServiceCollection AddCenter(this IServiceCollection services, CenterOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<HealthState>();
        services.AddSingleton(OptionsCheck.Validated(options, "Center"));
        services.AddSingleton(new BodyBudget(options.BufferedBodyBytes));
        services.AddSingleton<CenterMetrics>();
        services.AddSingleton<CallerAuth>();
        services.AddSingleton<RequestLimiter>();
        services.AddSingleton<IdempotentRunner>();
        services.AddSingleton<RequestPipeline>();
        services.AddBoundedStores();
        if (!services.Any(service => service.ServiceType == typeof(IPeers)))
        {
            services.AddSingleton<SolePeer>();
            services.AddSingleton<IPeers>(provider => provider.GetRequiredService<SolePeer>());
            services.AddHostedService(provider => provider.GetRequiredService<SolePeer>());
        }
        services.AddSingleton<TaskWakes>();
        services.AddSingleton<WakeSender>();
        services.AddHostedService(provider => provider.GetRequiredService<WakeSender>());
        services.AddSingleton<RoomBreakers>();
        services.AddSingleton<SessionRouter>();
        services.AddSingleton<TransientDelivery>();
        services.AddSingleton<DeliveryQueue>();
        services.AddHostedService(provider => provider.GetRequiredService<DeliveryQueue>());
        services.AddSingleton<BroadcastEngine>();
        services.AddHostedService(provider => provider.GetRequiredService<BroadcastEngine>());
        services.AddSingleton<BroadcastTasks>();
        services.AddSingleton<RangeSender>();
        services.AddSingleton<MulticastWorker>();
        services.AddHostedService(provider => provider.GetRequiredService<MulticastWorker>());
        services.AddSingleton<MulticastTasks>();
        services.AddSingleton<MulticastUpload>();
        services.AddSingleton<AppEditor>();
        services.AddSingleton<MessageEndpoints>();
        services.AddSingleton<UserEndpoints>();
        services.AddSingleton<BroadcastEndpoints>();
        services.AddSingleton<MulticastEndpoints>();
        services.AddSingleton<AppEndpoints>();
        services.AddSingleton<AppKeyEndpoints>();
        services.AddApiDocument();
        return services;
    }

    /// <summary>Maps the API, its OpenAPI document at /openapi/v1.json and the page /docs.</summary>
    public static void MapCenter(this IEndpointRouteBuilder endpoints)
    {
        var levels = endpoints.ServiceProvider.GetRequiredService<IMailboxes>().Levels;
        var level = endpoints.ServiceProvider.GetRequiredService<CenterOptions>().DefaultLevel;
        if (level != Durability.Transient && !levels.Contains(level))
            throw new OptionsValidationException("Center", typeof(CenterOptions), [$"Center:{nameof(CenterOptions.DefaultLevel)}: the mailboxes do not offer {level}"]);
        var routes = new CenterRoutes(endpoints);
        routes.MapForApps();
        routes.MapForAdmin();
        endpoints.MapApiDocument();
    }
}
