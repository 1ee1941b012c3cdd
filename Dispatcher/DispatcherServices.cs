using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using PushSystem.Dispatcher.Endpoints;
using PushSystem.Dispatcher.Routes;

using RouteEndpoint = PushSystem.Dispatcher.Endpoints.RouteEndpoint;

namespace PushSystem.Dispatcher;

/// <summary>
/// How a process takes the dispatcher in. It needs the contract IRoomDirectory from the container, and the process's problem boundary
/// in front.
/// </summary>
public static class DispatcherServices
{
    /// <summary>Adds the dispatcher; throws when the options are not valid.</summary>
    public static IServiceCollection AddDispatcher(this IServiceCollection services, DispatcherOptions options) =>
        services.AddDispatcher(new DispatcherSettings(options));

    /// <summary>Adds the dispatcher with settings that the caller changes while it runs.</summary>
    public static IServiceCollection AddDispatcher(this IServiceCollection services, DispatcherSettings settings)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(settings);
        services.AddSingleton<DispatcherMetrics>();
        services.AddSingleton<RouteTableSource>();
        services.AddSingleton<ClientLimiter>();
        services.AddSingleton<RouteEndpoint>();
        return services;
    }

    /// <summary>Maps GET /v1/route.</summary>
    public static void MapDispatcher(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapGet("/v1/route", endpoints.ServiceProvider.GetRequiredService<RouteEndpoint>().AnswerAsync);
}
