using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using PushSystem.Center.Auth;
using PushSystem.Center.Bodies;
using PushSystem.Center.Idempotency;
using PushSystem.Contracts;
using PushSystem.Hosting.Problems;

namespace PushSystem.Center.Endpoints;

/// <summary>
/// What all endpoints share: who calls, how often, how errors are told, and what is counted. Stateless but for what it is made of;
/// any thread.
/// </summary>
internal sealed class RequestPipeline(
    CallerAuth auth, RequestLimiter limiter, IdempotentRunner idempotent, BodyBudget bodies, CenterMetrics metrics, TimeProvider time,
    ILogger<RequestPipeline> logger)
{
    /// <summary>Scope of idempotency keys of the admin; not an app's id, which begins with a letter or digit.</summary>
    public const string AdminScope = IIdempotencyStore.AdminScope;

    /// <summary>Longest body of a request with a single message: every byte of the longest payload escaped as \u00xx, and room for the rest.</summary>
    public const int SingleBody = 6 * 64 * 1024 + 16 * 1024;

    /// <summary>Longest body of a request without a payload.</summary>
    public const int SmallBody = 512 * 1024;

    /// <summary>An endpoint that acts for the app of the caller's key and writes its own answer.</summary>
    public RequestDelegate ForApp(string route, Func<HttpContext, AppRecord, Task> handle) => http => RunAsync(http, route, context =>
    {
        var app = auth.RequireApp(context.Request);
        limiter.Take(app);
        return handle(context, app);
    });

    /// <summary>A GET, PATCH or DELETE that acts for the app of the caller's key.</summary>
    public RequestDelegate ForApp(string route, Func<HttpContext, AppRecord, ValueTask<ApiAnswer>> handle) =>
        ForApp(route, async (http, app) => await SendAsync(http, await handle(http, app)));

    /// <summary>A POST that acts for the app of the caller's key; repeated under the same Idempotency-Key, it gives the same answer.</summary>
    public RequestDelegate ForAppOnce(string route, Func<HttpContext, AppRecord, ReadOnlyMemory<byte>, ValueTask<ApiAnswer>> handle) =>
        ForApp(route, (http, app) => OnceAsync(http, app.Id, body => handle(http, app, body)));

    /// <summary>A GET, PATCH or DELETE that takes the admin key.</summary>
    public RequestDelegate ForAdmin(string route, Func<HttpContext, ValueTask<ApiAnswer>> handle) => http => RunAsync(http, route, async context =>
    {
        auth.RequireAdmin(context.Request);
        await SendAsync(context, await handle(context));
    });

    /// <summary>A POST that takes the admin key; repeated under the same Idempotency-Key, it gives the same answer.</summary>
    public RequestDelegate ForAdminOnce(string route, Func<HttpContext, ReadOnlyMemory<byte>, ValueTask<ApiAnswer>> handle) => http => RunAsync(http, route, context =>
    {
        auth.RequireAdmin(context.Request);
        return OnceAsync(context, AdminScope, body => handle(context, body));
    });

    /// <summary>Reads a body; see <see cref="RequestBody"/>.</summary>
    public ValueTask<RequestBody> ReadBodyAsync(HttpContext http, long limit) => RequestBody.ReadAsync(http, limit, bodies);

    /// <summary>Runs what may not happen twice under one key; see <see cref="IdempotentRunner"/>.</summary>
    public ValueTask<ApiAnswer> RunOnceAsync(
        HttpContext http, string scope, string? key, ReadOnlyMemory<byte> fingerprint, Func<ValueTask<ApiAnswer>> run) =>
        idempotent.RunAsync(scope, key, fingerprint, run, http.RequestAborted);

    /// <summary>Writes an answer.</summary>
    public static ValueTask SendAsync(HttpContext http, ApiAnswer answer)
    {
        if (answer.IsReplayed)
            http.Response.Headers[IdempotencyKey.ReplayedHeader] = "true";
        return JsonReply.SendAsync(http.Response, answer.Status, answer.Body);
    }

    private async Task OnceAsync(HttpContext http, string scope, Func<ReadOnlyMemory<byte>, ValueTask<ApiAnswer>> handle)
    {
        var key = IdempotencyKey.Read(http.Request);
        using var body = await ReadBodyAsync(http, SmallBody);
        var bytes = body.Bytes;
        var fingerprint = key is null ? [] : IdempotencyKey.Fingerprint(http.Request, bytes.Span);
        await SendAsync(http, await RunOnceAsync(http, scope, key, fingerprint, () => handle(bytes)));
    }

    private async Task RunAsync(HttpContext http, string route, RequestDelegate handle)
    {
        var started = time.GetTimestamp();
        try
        {
            await handle(http);
        }
        catch (Exception exception)
        {
            await ExplainAsync(http, exception);
        }
        metrics.Request(route, http.Response.StatusCode, time.GetElapsedTime(started));
    }

    private async ValueTask ExplainAsync(HttpContext http, Exception exception)
    {
        if (exception is StoreUnavailableException)
            CenterLog.StoreUnavailable(logger, exception, http.Request.Method, http.Request.Path);
        Exception known = exception switch
        {
            StoreUnavailableException => Problems.StoreUnavailable(isWrite: !HttpMethods.IsGet(http.Request.Method)),
            JsonException malformed => Problems.Malformed(malformed),
            _ => exception,
        };
        if (ProblemBoundary.Explain(known, http, logger) is not { } problem || http.Response.HasStarted)
            return;
        if (problem.Status == 401)
            http.Response.Headers.WWWAuthenticate = "Bearer realm=\"pushsystem\"";
        await problem.WriteAsync(http.Response);
    }
}
