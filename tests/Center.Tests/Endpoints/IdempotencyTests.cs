using System.Text.Json.Nodes;
using PushSystem.Center.Endpoints;
using PushSystem.Contracts;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

public sealed class IdempotencyTests
{
    public static TheoryData<string, string, string> Posts => new()
    {
        { "/v1/messages", """{"user":"a","text":"x"}""", """{"user":"a","text":"y"}""" },
        { "/v1/messages", """{"user":"a","text":"x","level":"transient"}""", """{"user":"b","text":"x","level":"transient"}""" },
        { "/v1/messages/batch", """{"messages":[{"user":"a","text":"x"}]}""", """{"messages":[{"user":"a","text":"x"},{"user":"a","text":"x"}]}""" },
        { "/v1/messages/batch", """{"level":"transient","messages":[{"user":"a","text":"x"}]}""", """{"level":"transient","messages":[{"user":"b","text":"x"}]}""" },
        { "/v1/broadcasts", """{"text":"x"}""", """{"text":"y"}""" },
        { "/v1/tickets", """{"user":"a"}""", """{"user":"b"}""" },
        { "/v1/users/a/kick", "{}", "{ }" },
        { "/v1/apps", """{"id":"new"}""", """{"id":"newer"}""" },
        { "/v1/apps/shop/api-keys", "{}", "{ }" },
        { "/v1/apps/shop/ticket-keys", "{}", "{ }" },
    };

    [Theory]
    [MemberData(nameof(Posts))]
    public async Task A_repeated_request_gets_the_first_answer_and_another_body_a_conflict(string path, string body, string other)
    {
        await using var host = await CenterHost.StartAsync();
        var key = path.StartsWith("/v1/apps", StringComparison.Ordinal) ? host.AdminKey : host.AppKey;
        var first = await host.SendAsync("POST", path, body, key, "key 1");
        Assert.InRange(first.Status, 200, 299);
        Assert.False(first.IsReplayed);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var apps = host.Apps.All.Select(app => (app.Id, app.Revision)).ToArray();

        var second = await host.SendAsync("POST", path, body, key, "key 1");
        Assert.Equal((first.Status, first.Body, first.ContentType), (second.Status, second.Body, second.ContentType));
        Assert.True(second.IsReplayed);
        (await host.SendAsync("POST", path, other, key, "key 1")).ExpectProblem(422, "idempotency-conflict", "Idempotency-Key");

        Assert.Equal(apps, host.Apps.All.Select(app => (app.Id, app.Revision)));
        Assert.InRange(host.Mailboxes.Total, 0, 1);
        Assert.InRange(host.Log.Count, 0, 1);
        Assert.InRange(host.Coordinator.Kicks, 0, 1);
        Assert.False((await host.SendAsync("POST", path, body, key, "key 2")).IsReplayed);
    }

    [Fact]
    public async Task The_key_belongs_to_the_path_too()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/users/a/kick", "{}", idempotencyKey: "k")).Expect(200);
        (await host.SendAsync("POST", "/v1/users/b/kick", "{}", idempotencyKey: "k")).ExpectProblem(422, "idempotency-conflict");
        Assert.Equal(1, host.Coordinator.Kicks);
    }

    [Fact]
    public async Task The_key_belongs_to_the_app()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/tickets", """{"user":"a"}""", idempotencyKey: "k")).Expect(200);
        Assert.False((await host.SendAsync("POST", "/v1/tickets", """{"user":"b"}""", host.OtherKey, "k")).Expect(200).IsReplayed);
        (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""", idempotencyKey: "m")).Expect(202);
        Assert.False((await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"y"}""", host.OtherKey, "m")).Expect(202).IsReplayed);
    }

    [Fact]
    public async Task A_replayed_message_is_not_delivered_again()
    {
        await using var host = await CenterHost.StartAsync();
        var room = host.Rooms.Add("room-1");
        host.Registry.Bind("a", "room-1", 1);
        for (var i = 0; i < 3; i++)
            (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""", idempotencyKey: "k")).Expect(202);
        (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"last"}""")).Expect(202);
        await Waiting.Until(() => room.Delivered.Any(item => item.Seq == 2), "the last message reaches the room");
        Assert.Equal([1L, 2L], room.Delivered.Select(item => item.Seq));
    }

    [Fact]
    public async Task A_refused_request_may_be_mended_under_its_key()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/tickets", """{"user":""}""", idempotencyKey: "k")).ExpectProblem(400, "invalid-field");
        (await host.SendAsync("POST", "/v1/tickets", """{"user":"a"}""", idempotencyKey: "k")).Expect(200);
        (await host.SendAsync("POST", "/v1/broadcasts/b1-1/pause", "{}", idempotencyKey: "p")).ExpectProblem(404, "no-such-broadcast");
        (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
        await Waiting.Until(() => host.Log.Record(1).State == TaskState.Done, "the broadcast ends");
        (await host.SendAsync("POST", "/v1/broadcasts/b1-1/pause", "{}", idempotencyKey: "p")).ExpectProblem(409, "wrong-state");
    }

    [Fact]
    public async Task Requests_of_one_key_at_the_same_time_happen_once()
    {
        await using var host = await CenterHost.StartAsync();
        var gate = new TaskCompletionSource();
        host.Coordinator.Gate = gate.Task;
        host.Coordinator.Online[new UserKey(CenterHost.App, "a")] = true;
        var requests = Enumerable.Range(0, 10).Select(_ => host.SendAsync("POST", "/v1/users/a/kick", "{}", idempotencyKey: "k")).ToArray();
        await Waiting.For(host.Coordinator.FirstKick.Task, "the first kick begins");
        gate.SetResult();
        var answers = await Task.WhenAll(requests);
        Assert.All(answers, answer => Assert.True((bool)answer.Expect(200).Json["kicked"]!));
        Assert.Equal(9, answers.Count(answer => answer.IsReplayed));
        Assert.Equal(1, host.Coordinator.Kicks);
    }

    [Fact]
    public async Task A_failed_request_lets_the_one_behind_it_try()
    {
        await using var host = await CenterHost.StartAsync();
        var gate = new TaskCompletionSource();
        host.Coordinator.Gate = gate.Task;
        var first = host.SendAsync("POST", "/v1/users/a/kick", "{}", idempotencyKey: "k");
        await Waiting.For(host.Coordinator.FirstKick.Task, "the first kick begins");
        var second = host.SendAsync("POST", "/v1/users/a/kick", "{}", idempotencyKey: "k");
        host.Coordinator.Gate = Task.CompletedTask;
        gate.SetException(new StoreUnavailableException("gone"));
        (await first).ExpectProblem(503, "store-unavailable");
        Assert.False((await second).Expect(200).IsReplayed);
    }

    [Fact]
    public async Task Another_center_that_was_faster_wins()
    {
        await using var host = await CenterHost.StartAsync();
        IdempotentAnswer? theirs = null;
        host.Idempotency.BeforeKeep = (app, key) =>
        {
            var fingerprint = Center.Idempotency.IdempotencyKey.Fingerprint(Request("POST", "/v1/users/a/kick"), "{}"u8);
            theirs = new IdempotentAnswer(fingerprint, 200, """{"user":"a","kicked":true}"""u8.ToArray());
            _ = host.Idempotency.KeepAsync(app, key, theirs, CancellationToken.None);
        };
        var answer = (await host.SendAsync("POST", "/v1/users/a/kick", "{}", idempotencyKey: "k")).Expect(200);
        Assert.NotNull(theirs);
        Assert.True(answer.IsReplayed);
        Assert.True((bool)answer.Json["kicked"]!);
    }

    [Fact]
    public async Task A_store_of_answers_that_is_away_is_told()
    {
        await using var host = await CenterHost.StartAsync();
        host.Idempotency.Fault = new StoreUnavailableException("gone");
        (await host.SendAsync("POST", "/v1/users/a/kick", "{}", idempotencyKey: "k")).ExpectProblem(503, "store-unavailable");
        Assert.Equal(0, host.Coordinator.Kicks);
    }

    [Fact]
    public async Task Secrets_shown_once_are_shown_again_for_the_same_key()
    {
        await using var host = await CenterHost.StartAsync();
        var first = (await host.SendAsync("POST", "/v1/apps", """{"id":"new","webhook":{"url":"http://localhost/"}}""", host.AdminKey, "k")).Expect(201);
        var again = (await host.SendAsync("POST", "/v1/apps", """{"id":"new","webhook":{"url":"http://localhost/"}}""", host.AdminKey, "k")).Expect(201);
        Assert.Equal(first.Text("apiKey"), again.Text("apiKey"));
        Assert.NotNull(first.Text("webhookSecret"));
        (await host.SendAsync("POST", "/v1/apps", """{"id":"new","webhook":{"url":"http://localhost/"}}""", host.AdminKey)).ExpectProblem(409, "app-exists");
    }

    [Fact]
    public void The_admins_scope_is_no_apps_id() => Assert.False(Bodies.AppParser.IsId(RequestPipeline.AdminScope));

    private static Microsoft.AspNetCore.Http.HttpRequest Request(string method, string path)
    {
        var context = new Microsoft.AspNetCore.Http.DefaultHttpContext();
        (context.Request.Method, context.Request.Path) = (method, path);
        return context.Request;
    }
}
