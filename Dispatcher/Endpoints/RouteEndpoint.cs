using System.Net;
using Microsoft.AspNetCore.Http;
using PushSystem.Dispatcher.Networks;
using PushSystem.Dispatcher.Routes;
using PushSystem.Hosting.Problems;
using PushSystem.Protocol;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>
/// GET /v1/route: where a client connects, and how it behaves there. The answer is put together from pieces that are encoded already.
/// Stateless; any thread.
/// </summary>
internal sealed class RouteEndpoint(
    RouteTableSource tables, ClientLimiter limiter, DispatcherSettings settings, DispatcherMetrics metrics, TimeProvider time)
{
    public Task AnswerAsync(HttpContext http)
    {
        var snapshot = settings.Current;
        var client = ClientAddress.Of(http, snapshot.TrustedProxies);
        if (!limiter.TryTake(client, snapshot.Options, out var retryAfter))
        {
            metrics.Request(RouteResult.Limited);
            return TooMany(snapshot.Options, retryAfter).WriteAsync(http.Response);
        }
        var table = tables.Current(snapshot);
        Span<int> chosen = stackalloc int[ProtocolLimits.MaxAddresses];
        var problem = Choose(http, client, snapshot, table, ref chosen);
        if (problem is not null)
            return problem.WriteAsync(http.Response);
        metrics.Request(RouteResult.Routed);
        Write(http.Response, snapshot, table, chosen);
        // What was written leaves with the end of the request.
        return Task.CompletedTask;
    }

    // Shortens chosen to the indexes of the addresses.
    private Problem? Choose(HttpContext http, IPAddress? client, DispatcherSnapshot snapshot, RouteTable table, ref Span<int> chosen)
    {
        Span<byte> scratch = stackalloc byte[RouteRequest.ScratchBytes];
        Span<char> names = stackalloc char[RouteRequest.MaxNameBytes * 2];
        var request = new RouteRequest(scratch, names);
        if (request.TryRead(http.Request.QueryString.Value, client) is { } refusal)
        {
            metrics.Request(RouteResult.Refused);
            return refusal;
        }
        if (request.Failed is { } failed)
            metrics.FailedAddresses(failed.Count);
        // What the client says of itself counts more than what its address lets us guess.
        var location = request.Region.IsEmpty || request.Isp.IsEmpty ? snapshot.Locations.Find(client) : Location.Unknown;
        var query = new RouteQuery(
            request.Key, request.Region.IsEmpty ? location.Region : request.Region, request.Isp.IsEmpty ? location.Isp : request.Isp, request.Failed);
        var count = RoutePolicy.Choose(table, query, chosen[..snapshot.Options.MaxAddresses]);
        chosen = chosen[..count];
        if (count > 0)
            return null;
        metrics.Request(RouteResult.NoRoom);
        return new Problem(503, "no-room", "No room", "There is no room that can take clients now.") { RetryAfter = snapshot.Options.NoRoomRetry };
    }

    private void Write(HttpResponse response, DispatcherSnapshot snapshot, RouteTable table, ReadOnlySpan<int> chosen)
    {
        var answer = new RouteAnswer(snapshot, table, chosen);
        response.ContentType = "application/json";
        response.Headers.CacheControl = "no-store";
        response.ContentLength = answer.Length;
        answer.Write(response.BodyWriter, time.GetUtcNow());
    }

    private static Problem TooMany(DispatcherOptions options, TimeSpan retryAfter) =>
        new(429, "too-many-requests", "Too many requests", "This client address asks too often.")
        {
            Limit = FormattableString.Invariant($"{options.ClientRate} requests per second, {options.ClientBurst} at once"),
            RetryAfter = retryAfter,
        };
}
