using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Hosting.Metrics;

namespace PushSystem.Hosting.Health;

/// <summary>What watchers ask of every process: /health/live, /health/ready and /metrics.</summary>
public static class HealthEndpoints
{
    /// <summary>Adds <see cref="HealthState"/> and <see cref="PrometheusText"/>, once per process.</summary>
    public static IServiceCollection AddHealthAndMetrics(this IServiceCollection services) =>
        services.AddSingleton<HealthState>().AddSingleton<PrometheusText>();

    /// <summary>Maps the three paths. They are open to everyone who reaches the port.</summary>
    public static void MapHealthAndMetrics(this IEndpointRouteBuilder endpoints)
    {
        var health = endpoints.ServiceProvider.GetRequiredService<HealthState>();
        var metrics = endpoints.ServiceProvider.GetRequiredService<PrometheusText>();
        endpoints.MapGet("/health/live", context => WriteAsync(context, health.Fatal is null, health.Fatal ?? "live", []));
        endpoints.MapGet("/health/ready", context =>
        {
            var checks = health.Check();
            var failing = health.Draining || health.Fatal is not null || checks.Any(check => check.Failure is not null);
            return WriteAsync(context, !failing, health.Draining ? "draining" : failing ? "not ready" : "ready", checks);
        });
        endpoints.MapGet("/metrics", context =>
        {
            context.Response.ContentType = PrometheusText.ContentType;
            return context.Response.WriteAsync(metrics.Collect(), context.RequestAborted);
        });
    }

    private static async Task WriteAsync(HttpContext context, bool good, string status, IReadOnlyList<HealthCheckResult> checks)
    {
        context.Response.StatusCode = good ? 200 : 503;
        context.Response.ContentType = "application/json";
        context.Response.Headers.CacheControl = "no-store";
        await using (var writer = new Utf8JsonWriter(context.Response.BodyWriter))
            Write(writer, status, checks);
        await context.Response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    private static void Write(Utf8JsonWriter writer, string status, IReadOnlyList<HealthCheckResult> checks)
    {
        writer.WriteStartObject();
        writer.WriteString("status"u8, status);
        if (checks.Count > 0)
        {
            writer.WriteStartObject("checks"u8);
            foreach (var check in checks)
                writer.WriteString(check.Name, check.Failure ?? "ok");
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
    }
}
