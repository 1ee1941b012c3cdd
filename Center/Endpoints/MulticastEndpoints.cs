using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Bodies;
using PushSystem.Center.Idempotency;
using PushSystem.Center.Multicasts;
using PushSystem.Center.Stores;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

/// <summary>Multicasts: send, look, pause, resume, cancel, throttle. Stateless; any thread.</summary>
internal sealed class MulticastEndpoints(
    RequestPipeline pipeline, MulticastUpload upload, MulticastTasks tasks, [FromKeyedServices(BoundedStores.Key)] IMulticasts multicasts,
    CenterMetrics metrics)
{
    /// <summary>POST /v1/multicasts</summary>
    public async Task SendAsync(HttpContext http, AppRecord app)
    {
        var (reply, draft) = await upload.ReceiveAsync(http, app);
        if (reply.Record is not { } record)
            throw reply.Status == WriteStatus.Overloaded ? Problems.Overloaded() : Problems.IdempotencyConflict();
        if (reply.Status == WriteStatus.Replayed)
            metrics.Replayed();
        else
            tasks.Tell(app.Id);
        // The answer of the first time, however far the task is by now.
        var first = record with
        {
            State = TaskState.Queued, RatePerSecond = draft.RatePerSecond, StartedAt = 0, FinishedAt = 0, Accepted = 0, Refused = 0, Online = 0,
        };
        await RequestPipeline.SendAsync(http, Answer(first, StatusCodes.Status202Accepted) with { IsReplayed = reply.Status == WriteStatus.Replayed });
    }

    /// <summary>GET /v1/multicasts</summary>
    public async ValueTask<ApiAnswer> List(HttpContext http, AppRecord app)
    {
        var limit = BroadcastEndpoints.ReadLimit(http.Request.Query["limit"]);
        var before = ReadBefore(http.Request.Query["before"]);
        var records = await multicasts.ListAsync(app.Id, before, limit, http.RequestAborted);
        var views = records.Select(MulticastView.Of).ToArray();
        var view = new MulticastListView(views, views.Length == limit ? views[^1].Id : null);
        return new ApiAnswer(200, JsonReply.Serialize(view, CenterJson.Default.MulticastListView));
    }

    /// <summary>GET /v1/multicasts/{id}</summary>
    public async ValueTask<ApiAnswer> Get(HttpContext http, AppRecord app) => Answer(await tasks.FindAsync(app.Id, Id(http), http.RequestAborted));

    /// <summary>PATCH /v1/multicasts/{id}</summary>
    public async ValueTask<ApiAnswer> Change(HttpContext http, AppRecord app)
    {
        using var body = await pipeline.ReadBodyAsync(http, RequestPipeline.SmallBody);
        var rate = BroadcastParser.ReadRate(body.Bytes.Span);
        return Answer(await tasks.SetRateAsync(app.Id, Id(http), rate, http.RequestAborted));
    }

    /// <summary>POST /v1/multicasts/{id}/pause</summary>
    public async ValueTask<ApiAnswer> Pause(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        return Answer(await tasks.PauseAsync(app.Id, Id(http), http.RequestAborted));
    }

    /// <summary>POST /v1/multicasts/{id}/resume</summary>
    public async ValueTask<ApiAnswer> Resume(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        return Answer(await tasks.ResumeAsync(app.Id, Id(http), http.RequestAborted));
    }

    /// <summary>POST /v1/multicasts/{id}/cancel</summary>
    public async ValueTask<ApiAnswer> Cancel(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        EmptyBody.Check(body.Span);
        return Answer(await tasks.CancelAsync(app.Id, Id(http), http.RequestAborted));
    }

    private static string Id(HttpContext http) => PathSegments.Route(http, "id");

    private static ApiAnswer Answer(MulticastRecord record, int status = 200) =>
        new(status, JsonReply.Serialize(MulticastView.Of(record), CenterJson.Default.MulticastView));

    private static long ReadBefore(string? text)
    {
        if (text is null)
            return 0;
        return MulticastId.TryParse(text, out var id)
            ? id
            : throw Problems.Invalid("before", "before is not a multicast's id.", "an id such as t4");
    }
}
