using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Bodies;
using PushSystem.Center.Idempotency;
using PushSystem.Center.Stores;
using PushSystem.Center.Tasks;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

/// <summary>Broadcasts: append, look, pause, resume, cancel, throttle. Stateless; any thread.</summary>
internal sealed class BroadcastEndpoints(RequestPipeline pipeline, BroadcastTasks tasks, [FromKeyedServices(BoundedStores.Key)] IBroadcastLog log, CenterMetrics metrics)
{
    public const int DefaultPage = 20, MaxPage = 100;

    /// <summary>POST /v1/broadcasts</summary>
    public async Task SendAsync(HttpContext http, AppRecord app)
    {
        var key = IdempotencyKey.Read(http.Request);
        ParsedBroadcast parsed;
        IdempotencyClaim? claim = null;
        using (var body = await pipeline.ReadBodyAsync(http, RequestPipeline.SingleBody))
        {
            parsed = BroadcastParser.Read(body.Bytes.Span, app.Limits);
            if (key is not null)
                claim = new IdempotencyClaim(key, IdempotencyKey.Fingerprint(http.Request, body.Bytes.Span));
        }
        var reply = await tasks.AppendAsync(new BroadcastDraft(app.Id, parsed.Kind, parsed.Payload, parsed.TimeToLive, parsed.RatePerSecond, claim));
        if (reply.Record is not { } record)
            throw reply.Status == WriteStatus.Conflict ? Problems.IdempotencyConflict() : Problems.Overloaded();
        if (reply.Status == WriteStatus.Replayed)
            metrics.Replayed();
        // The answer of the first time, however far the task is by now.
        var first = record with
        {
            State = TaskState.Queued, RatePerSecond = parsed.RatePerSecond, StartedAt = 0, FinishedAt = 0, Targeted = 0, Sent = 0, Acked = 0, Offline = 0,
        };
        await RequestPipeline.SendAsync(http, Answer(first, StatusCodes.Status202Accepted) with { IsReplayed = reply.Status == WriteStatus.Replayed });
    }

    /// <summary>GET /v1/broadcasts</summary>
    public async ValueTask<ApiAnswer> List(HttpContext http, AppRecord app)
    {
        var limit = ReadLimit(http.Request.Query["limit"]);
        var before = ReadBefore(http.Request.Query["before"]);
        var records = await log.ListAsync(app.Id, before, limit, http.RequestAborted);
        var views = records.Select(BroadcastView.Of).ToArray();
        var view = new BroadcastListView(views, views.Length == limit ? views[^1].Id : null);
        return new ApiAnswer(200, JsonReply.Serialize(view, CenterJson.Default.BroadcastListView));
    }

    /// <summary>GET /v1/broadcasts/{id}</summary>
    public async ValueTask<ApiAnswer> Get(HttpContext http, AppRecord app) => Answer(await tasks.FindAsync(app.Id, Id(http), http.RequestAborted));

    /// <summary>PATCH /v1/broadcasts/{id}</summary>
    public async ValueTask<ApiAnswer> Change(HttpContext http, AppRecord app)
    {
        using var body = await pipeline.ReadBodyAsync(http, RequestPipeline.SmallBody);
        var rate = BroadcastParser.ReadRate(body.Bytes.Span);
        return Answer(await tasks.SetRateAsync(app.Id, Id(http), rate, http.RequestAborted));
    }

    /// <summary>POST /v1/broadcasts/{id}/pause</summary>
    public async ValueTask<ApiAnswer> Pause(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        return Answer(await tasks.PauseAsync(app.Id, Id(http), http.RequestAborted));
    }

    /// <summary>POST /v1/broadcasts/{id}/resume</summary>
    public async ValueTask<ApiAnswer> Resume(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        return Answer(await tasks.ResumeAsync(app.Id, Id(http), http.RequestAborted));
    }

    /// <summary>POST /v1/broadcasts/{id}/cancel</summary>
    public async ValueTask<ApiAnswer> Cancel(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        return Answer(await tasks.CancelAsync(app.Id, Id(http), http.RequestAborted));
    }

    private static string Id(HttpContext http) => PathSegments.Route(http, "id");

    private static ApiAnswer Answer(BroadcastRecord record, int status = 200) =>
        new(status, JsonReply.Serialize(BroadcastView.Of(record), CenterJson.Default.BroadcastView));

    /// <summary>The parameter limit of lists.</summary>
    public static int ReadLimit(string? text)
    {
        if (text is null)
            return DefaultPage;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= MaxPage
            ? limit
            : throw Problems.Invalid("limit", "limit is not allowed.", $"1 to {MaxPage}");
    }

    private static long ReadBefore(string? text)
    {
        if (text is null)
            return 0;
        return StreamId.TryParse(text, StreamId.Broadcast, out var id)
            ? id.Seq
            : throw Problems.Invalid("before", "before is not a broadcast's id.", "an id such as b1-4");
    }
}
