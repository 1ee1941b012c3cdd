using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace PushSystem.Hosting.Problems;

/// <summary>The edge of an HTTP API: every error leaves it as a problem, and nothing of an exception's inside gets out.</summary>
public static class ProblemBoundary
{
    /// <summary>
    /// Writes problems for exceptions and for error statuses without a body (no such path, wrong method). Belongs in front of
    /// everything else.
    /// </summary>
    public static IApplicationBuilder UseProblems(this IApplicationBuilder app)
    {
        var logger = app.ApplicationServices.GetRequiredService<ILoggerFactory>().CreateLogger("PushSystem.Hosting.Problems");
        return app.Use(next => context => RunAsync(context, next, logger));
    }

    /// <summary>
    /// The problem of an exception that a request ended with; null when the caller is gone and nobody reads an answer. Unknown
    /// exceptions are logged as errors.
    /// </summary>
    public static Problem? Explain(Exception exception, HttpContext context, ILogger logger)
    {
        switch (exception)
        {
            case ProblemException known:
                return known.Problem;
            case BadHttpRequestException bad:
                return ForStatus(bad.StatusCode, bad.Message);
            // The connection's end can be seen by the reader before the request's token knows of it.
            case ConnectionResetException or ConnectionAbortedException:
            case OperationCanceledException or IOException when context.RequestAborted.IsCancellationRequested:
                return null;
            default:
                HostingLog.RequestFailed(logger, exception, context.Request.Method, context.Request.Path);
                return new Problem(500, "internal", "Internal error", "The request failed because of a defect or a broken part of the server. The log says more.");
        }
    }

    private static async Task RunAsync(HttpContext context, RequestDelegate next, ILogger logger)
    {
        Problem? problem;
        try
        {
            await next(context);
            if (context.Response.HasStarted || context.Response.StatusCode < 400 || context.Response.ContentLength is > 0)
                return;
            problem = ForStatus(context.Response.StatusCode, null);
        }
        catch (Exception exception)
        {
            problem = Explain(exception, context, logger);
            // Half an answer cannot be mended: the server cuts the connection, so that nobody takes it for a whole one.
            if (problem is not null && context.Response.HasStarted)
                throw;
        }
        if (problem is not null)
            await problem.WriteAsync(context.Response);
    }

    private static Problem ForStatus(int status, string? detail) => status switch
    {
        404 => new(404, "no-such-path", "No such path", detail ?? "There is nothing at this path."),
        405 => new(405, "method-not-allowed", "Method not allowed", detail ?? "The path exists, but not with this method; the Allow header names those that do."),
        413 => new(413, "body-too-large", "Body too large", detail ?? "The body is longer than allowed here."),
        415 => new(415, "wrong-content-type", "Wrong content type", detail ?? "The body's content type is not accepted here."),
        408 => new(408, "request-timeout", "Request timeout", detail ?? "The request did not arrive in time."),
        _ => new(status, "bad-request", "Bad request", detail ?? "The request was refused."),
    };
}
