using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace PushSystem.Standalone;

/// <summary>
/// Two doors of one web server: the dispatcher's port is for phones and answers routes only; the API's port answers the rest.
/// What belongs to the other door does not exist here.
/// </summary>
internal static class PortGate
{
    private const string RoutePath = "/v1/route";

    /// <summary>Goes in front of routing.</summary>
    public static void UsePortGate(this WebApplication app, int dispatcherPort) => app.Use((context, next) =>
    {
        var isRoute = context.Request.Path.Equals(RoutePath, StringComparison.OrdinalIgnoreCase);
        if (isRoute == (context.Connection.LocalPort == dispatcherPort))
            return next(context);
        context.Response.StatusCode = StatusCodes.Status404NotFound;
        return Task.CompletedTask;
    });
}
