using System.Globalization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PushSystem.Center.Bodies;
using PushSystem.Center.Delivery;
using PushSystem.Center.Idempotency;
using PushSystem.Center.Stores;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Endpoints;

/// <summary>Tickets, users and their messages, and the caller's own app. Stateless; any thread.</summary>
internal sealed class UserEndpoints(
    [FromKeyedServices(BoundedStores.Key)] IMailboxes mailboxes, [FromKeyedServices(BoundedStores.Key)] ISessionRegistry registry, SessionRouter router, ICoordinator coordinator, StoreDeadline deadline,
    TimeProvider time)
{
    /// <summary>POST /v1/tickets</summary>
    public ValueTask<ApiAnswer> IssueTicket(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        var (user, seconds) = TicketParser.Read(body.Span);
        var key = app.TicketKeys.OrderBy(candidate => candidate.CreatedAt).LastOrDefault() ?? throw Problems.NoTicketKey();
        // A ticket carries whole seconds; the answer says what it carries.
        var expiresAt = DateTimeOffset.FromUnixTimeSeconds(time.GetUtcNow().ToUnixTimeSeconds() + seconds);
        var ticket = Ticket.IssueText(new TicketKey(key.Id, key.Secret), app.Id, user, expiresAt);
        return Answer(200, JsonReply.Serialize(new TicketView(ticket, expiresAt.UtcDateTime), CenterJson.Default.TicketView));
    }

    /// <summary>GET /v1/users/{user}</summary>
    public async ValueTask<ApiAnswer> GetUser(HttpContext http, AppRecord app)
    {
        var key = new UserKey(app.Id, PathSegments.User(http, 0));
        var entry = (await router.LookupAsync([key], http.RequestAborted))[0];
        var session = entry is not null && !router.IsVoid(entry)
            ? new SessionView(
                entry.Room, entry.Connection.ToString(CultureInfo.InvariantCulture), entry.Device, entry.RemoteAddress, Times.At(entry.BoundAt))
            : null;
        var mailbox = await mailboxes.SummaryAsync(key, http.RequestAborted) is { } summary
            ? new MailboxView(summary.Epoch, summary.Acked, summary.Top, summary.PendingMessages, summary.PendingBytes,
                Times.AtOrNull(summary.OldestAt), Times.AtOrNull(summary.LastAckAt))
            : null;
        var view = new UserView(key.User, session is not null, session, mailbox);
        return new ApiAnswer(200, JsonReply.Serialize(view, CenterJson.Default.UserView));
    }

    /// <summary>GET /v1/users/{user}/messages/{id}</summary>
    public async ValueTask<ApiAnswer> GetMessage(HttpContext http, AppRecord app)
    {
        var user = PathSegments.User(http, 2);
        var id = PathSegments.Route(http, "id");
        if (!StreamId.TryParse(id, StreamId.Message, out var position))
            throw Problems.NoSuchMessage(id);
        var status = await mailboxes.FindAsync(new UserKey(app.Id, user), position.Epoch, position.Seq, http.RequestAborted);
        if (status.State == MessageState.Unknown)
            throw Problems.NoSuchMessage(id);
        var view = new MessageStatusView(id, user, MessageNames.Of(status.State), Times.AtOrNull(status.AcceptedAt), Times.AtOrNull(status.ExpiresAt));
        return new ApiAnswer(200, JsonReply.Serialize(view, CenterJson.Default.MessageStatusView));
    }

    /// <summary>POST /v1/users/{user}/kick</summary>
    public async ValueTask<ApiAnswer> Kick(HttpContext http, AppRecord app, ReadOnlyMemory<byte> body)
    {
        var user = PathSegments.User(http, 1);
        EmptyBody.Check(body.Span);
        var kicked = await deadline.Bound(coordinator.KickAsync(new UserKey(app.Id, user), CancellationToken.None));
        return new ApiAnswer(200, JsonReply.Serialize(new KickView(user, kicked), CenterJson.Default.KickView));
    }

    /// <summary>GET /v1/app</summary>
    public async ValueTask<ApiAnswer> GetOwnApp(HttpContext http, AppRecord app)
    {
        var online = await registry.CountAsync(app.Id, http.RequestAborted);
        return new ApiAnswer(200, JsonReply.Serialize(AppView.Of(app) with { Online = online }, CenterJson.Default.AppView));
    }

    private static ValueTask<ApiAnswer> Answer(int status, byte[] body) => ValueTask.FromResult(new ApiAnswer(status, body));
}
