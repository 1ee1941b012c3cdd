using PushSystem.Center.Endpoints;
using PushSystem.Contracts;
using PushSystem.Protocol;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

public sealed class UserTests
{
    [Fact]
    public async Task A_ticket_is_signed_with_the_newest_key_and_lasts_an_hour()
    {
        await using var host = await CenterHost.StartAsync();
        var app = host.Edit(CenterHost.App, app => app with
        {
            TicketKeys = [new AppTicketKey(7, new byte[32], CenterHost.StartMilliseconds + 5), app.TicketKeys[0]],
        });
        var answer = (await host.SendAsync("POST", "/v1/tickets", """{"user":"alice"}""")).Expect(200);
        Assert.Equal("2026-01-01T13:00:00Z", answer.Text("expiresAt"));
        Assert.True(Ticket.TryParseText(answer.Text("ticket")!, out var ticket));
        Assert.Equal(ReasonCode.Ok, Ticket.Verify(ticket, [new TicketKey(7, new byte[32])], CenterHost.App, "alice", host.Clock.GetUtcNow()));
        Assert.Equal(ReasonCode.Ok, Ticket.Verify(ticket, app.SigningKeys, CenterHost.App, "alice", host.Clock.GetUtcNow().AddSeconds(3_599)));
        Assert.Equal(ReasonCode.TicketExpired, Ticket.Verify(ticket, app.SigningKeys, CenterHost.App, "alice", host.Clock.GetUtcNow().AddSeconds(3_600)));
    }

    [Theory]
    [InlineData(60, "2026-01-01T12:01:00Z")]
    [InlineData(2_592_000, "2026-01-31T12:00:00Z")]
    public async Task A_ticket_lasts_as_long_as_asked(int seconds, string expiresAt)
    {
        await using var host = await CenterHost.StartAsync();
        var answer = (await host.SendAsync("POST", "/v1/tickets", $$"""{"user":"alice","ttlSeconds":{{seconds}}}""")).Expect(200);
        Assert.Equal(expiresAt, answer.Text("expiresAt"));
    }

    [Fact]
    public async Task An_app_without_ticket_keys_cannot_issue_one()
    {
        await using var host = await CenterHost.StartAsync();
        host.Edit(CenterHost.App, app => app with { TicketKeys = [] });
        (await host.SendAsync("POST", "/v1/tickets", """{"user":"alice"}""")).ExpectProblem(409, "no-ticket-key");
    }

    [Fact]
    public async Task An_online_user_is_shown_with_session_and_mailbox()
    {
        await using var host = await CenterHost.StartAsync();
        host.Rooms.Add("room-1", 4);
        host.Registry.Bind("alice", "room-1", 4, connection: ulong.MaxValue);
        host.Mailboxes.Summaries[new UserKey(CenterHost.App, "alice")] = new MailboxSummary(2, 16, 17, 1, 48, CenterHost.StartMilliseconds, 0);
        Assert.Equal(
            """{"user":"alice","online":true,"session":{"room":"room-1","connection":"18446744073709551615","device":"phone-1","remoteAddress":"192.0.2.7:50122","since":"2026-01-01T12:00:00Z"},"mailbox":{"epoch":2,"acked":16,"top":17,"pending":1,"pendingBytes":48,"oldestAt":"2026-01-01T12:00:00Z"}}""",
            (await host.SendAsync("GET", "/v1/users/alice")).Expect(200).Body);
        Assert.Equal("""{"user":"alice","online":false}""", (await host.SendAsync("GET", "/v1/users/alice", key: host.OtherKey)).Expect(200).Body);
    }

    [Fact]
    public async Task A_session_of_a_room_that_is_gone_is_no_session()
    {
        await using var host = await CenterHost.StartAsync();
        host.Rooms.Add("room-1", 5);
        host.Registry.Bind("alice", "room-1", 4);
        Assert.Equal("""{"user":"alice","online":false}""", (await host.SendAsync("GET", "/v1/users/alice")).Expect(200).Body);
    }

    [Theory]
    [InlineData("/v1/users/a%2Fb", "a/b")]
    [InlineData("/v1/users/a%252Fb", "a%2Fb")]
    [InlineData("/v1/users/%C3%A4%20%F0%9F%98%80", "ä 😀")]
    [InlineData("/v1/users/a+b", "a+b")]
    [InlineData("/v1/users/a%3Fb?x=1", "a?b")]
    [InlineData("/v1/users/alice/", "alice")]
    [InlineData("/v1/users/%61", "a")]
    public async Task Users_in_paths_are_decoded_once(string path, string user)
    {
        await using var host = await CenterHost.StartAsync();
        Assert.Equal(user, (await host.SendAsync("GET", path)).Expect(200).Text("user"));
    }

    [Fact]
    public async Task Users_with_a_slash_can_be_kicked_and_their_messages_found()
    {
        await using var host = await CenterHost.StartAsync();
        host.Coordinator.Online[new UserKey(CenterHost.App, "a/b")] = true;
        host.Mailboxes.Statuses[(new UserKey(CenterHost.App, "a/b"), 1, 2)] = new MessageStatus(MessageState.Acked, 0, 0);
        Assert.Equal("""{"user":"a/b","kicked":true}""", (await host.SendAsync("POST", "/v1/users/a%2Fb/kick")).Expect(200).Body);
        Assert.Equal("""{"id":"m1-2","user":"a/b","state":"acked"}""", (await host.SendAsync("GET", "/v1/users/a%2Fb/messages/m1-2")).Expect(200).Body);
    }

    [Theory]
    [InlineData("abc", "abc")]
    [InlineData("%41%62", "Ab")]
    [InlineData("ä", "ä")]
    [InlineData("%", null)]
    [InlineData("%4", null)]
    [InlineData("%4g", null)]
    [InlineData("%C3", null)]
    [InlineData("%ED%A0%80", null)]
    public void Percent_encoding_is_decoded_strictly(string text, string? decoded) => Assert.Equal(decoded, PathSegments.Decode(text));

    [Fact]
    public async Task A_user_is_kicked_through_the_coordinator()
    {
        await using var host = await CenterHost.StartAsync();
        host.Coordinator.Online[new UserKey(CenterHost.App, "alice")] = true;
        Assert.Equal("""{"user":"alice","kicked":false}""", (await host.SendAsync("POST", "/v1/users/alice/kick", key: host.OtherKey)).Expect(200).Body);
        Assert.Equal("""{"user":"alice","kicked":true}""", (await host.SendAsync("POST", "/v1/users/alice/kick")).Expect(200).Body);
        Assert.Equal("""{"user":"alice","kicked":false}""", (await host.SendAsync("POST", "/v1/users/alice/kick")).Expect(200).Body);
    }

    [Fact]
    public async Task The_own_app_is_shown_without_secrets()
    {
        await using var host = await CenterHost.StartAsync();
        host.Registry.Bind("alice", "room-1", 1);
        var answer = (await host.SendAsync("GET", "/v1/app")).Expect(200);
        Assert.Equal(CenterHost.App, answer.Text("id"));
        Assert.Equal(1, (int)answer.Json["online"]!);
        Assert.Null(answer.Json["apiKey"]);
        var app = host.Apps.Find(CenterHost.App)!;
        Assert.DoesNotContain(Convert.ToHexString(app.ApiKeys[0].Hash.Span), answer.Body, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Auth.AppKeys.TicketSecretText(app.TicketKeys[0].Secret), answer.Body, StringComparison.Ordinal);
    }
}
