using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace PushSystem.Hosting.Nodes;

/// <summary>
/// Two doors of one web server: the inner one for watchers (health and metrics), the public one for everything else. What belongs to
/// the other door does not exist here.
/// </summary>
internal static class Doors
{
    /// <summary>Goes in front of routing.</summary>
    public static void UseDoors(this WebApplication web, int innerPort) => web.Use((context, next) =>
    {
        var path = context.Request.Path;
        var isInner = path.StartsWithSegments("/health", StringComparison.OrdinalIgnoreCase) || path.Equals("/metrics", StringComparison.OrdinalIgnoreCase);
        if (isInner == (context.Connection.LocalPort == innerPort))
            return next(context);
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    });
}
