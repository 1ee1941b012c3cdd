using System.Text.Json;
using Microsoft.AspNetCore.Http;
using PushSystem.Contracts;
using PushSystem.Dispatcher.Routes;
using PushSystem.Hosting.Problems;

namespace PushSystem.Dispatcher.Endpoints;

/// <summary>GET /v1/route: where a client connects, and how it behaves there. Stateless; any thread.</summary>
internal sealed class RouteEndpoint(
    RouteTableSource tables, ClientLimiter limiter, DispatcherOptions options, DispatcherMetrics metrics, TimeProvider time)
{
    public async Task AnswerAsync(HttpContext http)
    {
        var client = http.Connection.RemoteIpAddress;
        if (!limiter.TryTake(client, out var retryAfter))
        {
            metrics.Request("limited");
            throw new ProblemException(new Problem(429, "too-many-requests", "Too many requests", "This client address asks too often.")
            {
                Limit = FormattableString.Invariant($"{options.ClientRate} requests per second, {options.ClientBurst} at once"),
                RetryAfter = retryAfter,
            });
        }
        RouteQuery query;
        try
        {
            query = RouteRequest.Read(http.Request.Query, client);
        }
        catch (ProblemException)
        {
            metrics.Request("refused");
            throw;
        }
        if (query.Failed.Count > 0)
            metrics.FailedAddresses(query.Failed.Count);
        var addresses = RoutePolicy.Choose(tables.Current, query, options.MaxAddresses);
        if (addresses.Count == 0)
        {
            metrics.Request("no_room");
            throw new ProblemException(new Problem(503, "no-room", "No room", "There is no room that can take clients now.") { RetryAfter = options.NoRoomRetry });
        }
        metrics.Request("routed");
        http.Response.ContentType = "application/json";
        http.Response.Headers.CacheControl = "no-store";
        await using (var writer = new Utf8JsonWriter(http.Response.BodyWriter))
            Write(writer, addresses);
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }

    private void Write(Utf8JsonWriter writer, IReadOnlyList<RoomAddress> addresses)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("addresses"u8);
        foreach (var address in addresses)
        {
            writer.WriteStartObject();
            writer.WriteString("host"u8, address.Host);
            writer.WriteNumber("port"u8, address.Port);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteNumber("ttlSeconds"u8, (long)options.AddressTimeToLive.TotalSeconds);
        writer.WriteString("group"u8, options.ActiveGroup);
        writer.WriteStartObject("heartbeat"u8);
        writer.WriteNumber("minSeconds"u8, (long)options.HeartbeatMin.TotalSeconds);
        writer.WriteNumber("maxSeconds"u8, (long)options.HeartbeatMax.TotalSeconds);
        writer.WriteNumber("defaultSeconds"u8, (long)options.HeartbeatDefault.TotalSeconds);
        writer.WriteEndObject();
        writer.WriteStartObject("backoff"u8);
        writer.WriteNumber("baseMilliseconds"u8, (long)options.BackoffBase.TotalMilliseconds);
        writer.WriteNumber("capMilliseconds"u8, (long)options.BackoffCap.TotalMilliseconds);
        writer.WriteNumber("resetSeconds"u8, (long)options.BackoffReset.TotalSeconds);
        writer.WriteEndObject();
        writer.WriteString("serverTime"u8, time.GetUtcNow().UtcDateTime);
        writer.WriteEndObject();
    }
}
