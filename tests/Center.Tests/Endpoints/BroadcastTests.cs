using PushSystem.Contracts;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

public sealed class BroadcastTests
{
    [Fact]
    public async Task A_broadcast_is_appended_and_answered_as_queued()
    {
        await using var host = await CenterHost.StartAsync();
        var answer = (await host.SendAsync("POST", "/v1/broadcasts", """{"json":{"a":1},"ttlSeconds":60,"ratePerSecond":5}""")).Expect(202);
        Assert.Equal(
            """{"id":"b1-1","state":"queued","ratePerSecond":5,"acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-01T12:01:00Z","targeted":0,"sent":0,"acked":0,"offline":0}""",
            answer.Body);
        await Waiting.Until(() => host.Log.Record(1).State == TaskState.Done, "the broadcast ends");
        var later = (await host.SendAsync("GET", "/v1/broadcasts/b1-1")).Expect(200);
        Assert.Equal("done", later.Text("state"));
        Assert.Equal("2026-01-01T12:00:00Z", later.Text("startedAt"));
        Assert.Equal("2026-01-01T12:00:00Z", later.Text("finishedAt"));
    }

    [Fact]
    public async Task A_repeated_broadcast_is_answered_as_the_first_time_however_far_it_is()
    {
        await using var host = await CenterHost.StartAsync();
        var first = (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x","ratePerSecond":7}""", idempotencyKey: "k")).Expect(202);
        await Waiting.Until(() => host.Log.Record(1).State == TaskState.Done, "the broadcast ends");
        var again = (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x","ratePerSecond":7}""", idempotencyKey: "k")).Expect(202);
        Assert.Equal(first.Body, again.Body);
        Assert.True(again.IsReplayed);
        Assert.Equal(1, host.Log.Count);
    }

    [Fact]
    public async Task Broadcasts_are_listed_newest_first_page_by_page()
    {
        await using var host = await CenterHost.StartAsync();
        for (var i = 0; i < 5; i++)
            (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
        var first = (await host.SendAsync("GET", "/v1/broadcasts?limit=2")).Expect(200);
        Assert.Equal(["b1-5", "b1-4"], Ids(first));
        var second = (await host.SendAsync("GET", $"/v1/broadcasts?limit=2&before={first.Text("next")}")).Expect(200);
        Assert.Equal(["b1-3", "b1-2"], Ids(second));
        var third = (await host.SendAsync("GET", $"/v1/broadcasts?limit=2&before={second.Text("next")}")).Expect(200);
        Assert.Equal(["b1-1"], Ids(third));
        Assert.Null(third.Json["next"]);
        Assert.Equal(5, Ids((await host.SendAsync("GET", "/v1/broadcasts")).Expect(200)).Length);
        Assert.Empty(Ids((await host.SendAsync("GET", "/v1/broadcasts", key: host.OtherKey)).Expect(200)));
    }

    [Theory]
    [InlineData("GET", "")]
    [InlineData("POST", "/pause")]
    [InlineData("POST", "/resume")]
    [InlineData("POST", "/cancel")]
    public async Task Broadcasts_that_are_not_known_are_not_found(string method, string action)
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
        foreach (var id in (string[])["b1-2", "b2-1", "m1-1", "b01-1", "1"])
            (await host.SendAsync(method, $"/v1/broadcasts/{id}{action}")).ExpectProblem(404, "no-such-broadcast");
        (await host.SendAsync(method, $"/v1/broadcasts/b1-1{action}", key: host.OtherKey)).ExpectProblem(404, "no-such-broadcast");
    }

    [Fact]
    public async Task A_running_broadcast_is_paused_resumed_throttled_and_cancelled()
    {
        await using var host = await CenterHost.StartAsync();
        var room = host.Rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 3);
        (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
        await Waiting.Until(() => room.Actions.Contains(FanoutAction.Run), "the room begins");

        Assert.Equal("paused", (await host.SendAsync("POST", "/v1/broadcasts/b1-1/pause")).Expect(200).Text("state"));
        await Waiting.Until(() => room.Actions[^1] == FanoutAction.Pause, "the room pauses");
        (await host.SendAsync("POST", "/v1/broadcasts/b1-1/pause")).ExpectProblem(409, "wrong-state");
        Assert.Equal("running", (await host.SendAsync("POST", "/v1/broadcasts/b1-1/resume")).Expect(200).Text("state"));
        await Waiting.Until(() => room.Actions[^1] == FanoutAction.Run, "the room goes on");
        (await host.SendAsync("POST", "/v1/broadcasts/b1-1/resume")).ExpectProblem(409, "wrong-state");
        Assert.Equal(40, (int)(await host.SendAsync("PATCH", "/v1/broadcasts/b1-1", """{"ratePerSecond":40}""")).Expect(200).Json["ratePerSecond"]!);
        await Waiting.Until(() => room.Commands[^1] is { Action: FanoutAction.Run, RatePerSecond: 40 }, "the room gets the rate");
        Assert.Equal("cancelled", (await host.SendAsync("POST", "/v1/broadcasts/b1-1/cancel")).Expect(200).Text("state"));
        await Waiting.Until(() => room.Actions[^1] == FanoutAction.Cancel, "the room stops");

        var refused = (await host.SendAsync("POST", "/v1/broadcasts/b1-1/cancel")).ExpectProblem(409, "wrong-state");
        Assert.Equal("The broadcast is cancelled and cannot be cancelled.", refused.Text("detail"));
        Assert.Equal("queued, running, paused", refused.Text("limit"));
        (await host.SendAsync("PATCH", "/v1/broadcasts/b1-1", """{"ratePerSecond":40}""")).ExpectProblem(409, "wrong-state");
    }

    [Fact]
    public async Task A_queued_broadcast_that_is_resumed_waits_for_its_turn_again()
    {
        await using var host = await CenterHost.StartAsync();
        var room = host.Rooms.Add("room-1");
        room.OnFanout = _ => new FanoutProgress(true, false, 10, 3);
        for (var i = 0; i < 2; i++)
            (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
        await Waiting.Until(() => host.Log.Record(1).State == TaskState.Running, "the first one runs");
        Assert.Equal("paused", (await host.SendAsync("POST", "/v1/broadcasts/b1-2/pause")).Expect(200).Text("state"));
        Assert.Equal("queued", (await host.SendAsync("POST", "/v1/broadcasts/b1-2/resume")).Expect(200).Text("state"));
        room.OnFanout = _ => new FanoutProgress(true, true, 10, 10);
        await Waiting.Until(() => Advanced(host, host.Log.Record(2).State == TaskState.Done), "both end");
        Assert.Equal(
            [(1L, TaskState.Running), (2L, TaskState.Paused), (2L, TaskState.Queued), (1L, TaskState.Done), (2L, TaskState.Running), (2L, TaskState.Done)],
            host.Log.Moves());
    }

    [Fact]
    public async Task An_app_can_have_only_so_many_unfinished_broadcasts()
    {
        await using var host = await CenterHost.StartAsync(options => options.MaxUnfinishedBroadcasts = 2);
        host.Rooms.Add("room-1").OnFanout = _ => new FanoutProgress(true, false, 10, 3);
        for (var i = 0; i < 2; i++)
            (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
        Assert.NotNull((await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).ExpectProblem(429, "too-many-broadcasts").Headers.RetryAfter);
        (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""", host.OtherKey)).Expect(202);
        (await host.SendAsync("POST", "/v1/broadcasts/b1-2/cancel")).Expect(200);
        (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
    }

    [Fact]
    public async Task A_broadcast_whose_answer_was_lost_is_sent_all_the_same()
    {
        await using var host = await CenterHost.StartAsync();
        host.Log.LosesAppendAnswers = true;
        (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""", idempotencyKey: "k")).ExpectProblem(503, "store-unavailable");
        await Waiting.Until(() => host.Log.Record(1).State == TaskState.Done, "the broadcast ends");
        host.Log.LosesAppendAnswers = false;
        Assert.True((await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""", idempotencyKey: "k")).Expect(202).IsReplayed);
        Assert.Equal(1, host.Log.Count);
    }

    private static bool Advanced(CenterHost host, bool done)
    {
        host.Clock.Advance(TimeSpan.FromMilliseconds(200));
        return done;
    }

    private static string[] Ids(Answer answer) => [.. answer.Json["broadcasts"]!.AsArray().Select(task => (string)task!["id"]!)];
}
