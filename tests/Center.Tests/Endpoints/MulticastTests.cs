using System.Net.Http.Headers;
using System.Text;
using PushSystem.Center.Multicasts;
using PushSystem.Contracts;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

public sealed class MulticastTests
{
    [Fact]
    public async Task A_multicast_is_stored_in_parts_answered_as_queued_and_sent()
    {
        await using var host = await CenterHost.StartAsync();
        var users = Enumerable.Range(0, 2_500).Select(i => $"u{i}").ToArray();
        var answer = (await host.SendAsync("POST", "/v1/multicasts", Body(users, ",\"ttlSeconds\":60,\"level\":\"stored\""))).Expect(202);
        Assert.Equal(
            """{"id":"t1","state":"queued","level":"stored","ratePerSecond":0,"acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-01T12:01:00Z","targeted":2500,"accepted":0,"refused":0,"online":0}""",
            answer.Body);
        Assert.Equal(users, host.Multicasts.Users(1));
        Assert.Equal([1_000, 1_000, 500], host.Multicasts.PartSizes(1));
        await Waiting.Until(() => host.Multicasts.Record(1).State == TaskState.Done, "done");
        var later = (await host.SendAsync("GET", "/v1/multicasts/t1")).Expect(200);
        Assert.Equal(("done", 2_500), (later.Text("state"), (int)later.Json["accepted"]!));
        Assert.Equal(Durability.Stored, host.Mailboxes.Of(CenterHost.App, "u77").Single().Level);
    }

    [Fact]
    public async Task The_default_level_is_the_deployments_and_never_transient()
    {
        await using var host = await CenterHost.StartAsync(options => options.DefaultLevel = Durability.Transient);
        Assert.Equal("stored", (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]))).Expect(202).Text("level"));
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a"], ",\"level\":\"transient\""))).ExpectProblem(400, "invalid-field", "level");
        host.Mailboxes.Levels = new HashSet<Durability> { Durability.Stored };
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a"], ",\"level\":\"durable\""))).ExpectProblem(400, "level-unavailable", "level");
        Assert.Equal(1, host.Multicasts.Count);
    }

    [Fact]
    public async Task Lines_are_taken_too_and_stored_while_they_come()
    {
        await using var host = await CenterHost.StartAsync();
        using var content = new DrippingContent(host, 30_000);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/multicasts") { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", host.AppKey);
        using var response = await host.Http.SendAsync(request);
        var answer = (await Answer.ReadAsync(response)).Expect(202);
        Assert.Equal(30_000, (int)answer.Json["targeted"]!);
        Assert.Equal(30_000, host.Multicasts.Users(1).Distinct().Count());
    }

    [Theory]
    [InlineData("""{"text":"x"}""", "users")]
    [InlineData("""{"users":["a"]}""", "text")]
    [InlineData("""{"text":"x","users":[]}""", "users")]
    [InlineData("""{"text":"x","users":["a","b",""]}""", "users[2]")]
    [InlineData("""{"text":"x","users":["a"],"ratePerSecond":10000001}""", "ratePerSecond")]
    public async Task What_is_wrong_is_named_and_nothing_stays(string body, string field)
    {
        await using var host = await CenterHost.StartAsync();
        var answer = await host.SendAsync("POST", "/v1/multicasts", body);
        answer.Expect(400);
        Assert.Equal(field, answer.Text("field"));
        Assert.Equal(0, host.Multicasts.Count);
    }

    [Fact]
    public async Task A_bad_user_late_in_a_list_that_is_stored_already_discards_it()
    {
        await using var host = await CenterHost.StartAsync();
        var lines = new StringBuilder("{\"text\":\"x\"}\n");
        for (var i = 0; i < 120_000; i++)
            lines.Append("\"user-").Append(i).Append("\"\n");
        lines.Append("\"\\u0000\"\n");
        var answer = await host.SendAsync("POST", "/v1/multicasts", lines.ToString(), contentType: MulticastUpload.LinesType);
        answer.ExpectProblem(400, "invalid-field", "users[120000]");
        Assert.Equal("1 to 64 bytes of UTF-8 without control characters", answer.Text("limit"));
        Assert.True(host.Multicasts.PartCalls > 0);
        Assert.Equal(0, host.Multicasts.Count);
    }

    [Fact]
    public async Task A_body_over_the_limit_is_refused_announced_or_not()
    {
        await using var host = await CenterHost.StartAsync(options => options.MaxMulticastBodyBytes = 64 * 1024);
        var body = Body([.. Enumerable.Range(0, 20_000).Select(i => $"u{i}")]);
        (await host.SendAsync("POST", "/v1/multicasts", body)).ExpectProblem(413, "body-too-large");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/multicasts") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.TransferEncodingChunked = true;
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", host.AppKey);
        using var response = await host.Http.SendAsync(request);
        (await Answer.ReadAsync(response)).ExpectProblem(413, "body-too-large");
        Assert.Equal(0, host.Multicasts.Count);
    }

    [Theory]
    [InlineData("text/plain")]
    [InlineData("application/json; charset=latin1")]
    [InlineData("nonsense")]
    public async Task Other_content_types_are_refused(string type)
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]), contentType: type)).ExpectProblem(415, "wrong-content-type");
    }

    [Fact]
    public async Task A_repeated_request_gives_the_first_answer_and_another_one_is_refused()
    {
        await using var host = await CenterHost.StartAsync();
        var body = Body(["a", "b"], ",\"ratePerSecond\":7");
        var first = (await host.SendAsync("POST", "/v1/multicasts", body, idempotencyKey: "k")).Expect(202);
        await Waiting.Until(() => host.Multicasts.Record(1).State == TaskState.Done, "done");
        var again = (await host.SendAsync("POST", "/v1/multicasts", body, idempotencyKey: "k")).Expect(202);
        Assert.Equal(first.Body, again.Body);
        Assert.True(again.IsReplayed);
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a", "c"], ",\"ratePerSecond\":7"), idempotencyKey: "k")).ExpectProblem(422, "idempotency-conflict");
        Assert.Equal(1, host.Multicasts.Count);
        Assert.Equal(2, host.Mailboxes.Total);
    }

    [Theory]
    [InlineData("create")]
    [InlineData("part")]
    [InlineData("seal")]
    public async Task A_store_that_is_away_is_told_and_what_was_begun_is_removed(string failing)
    {
        await using var host = await CenterHost.StartAsync();
        host.Multicasts.Fault = call => call == failing ? new StoreUnavailableException("away") : null;
        var answer = (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]))).ExpectProblem(503, "store-unavailable");
        Assert.NotNull(answer.Headers.RetryAfter);
        Assert.Equal(0, host.Multicasts.Count);
        host.Multicasts.Fault = null;
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]))).Expect(202);
    }

    [Fact]
    public async Task A_seal_whose_answer_is_lost_stays_and_its_repetition_finds_it()
    {
        await using var host = await CenterHost.StartAsync();
        host.Multicasts.LostAnswer = call => call == "seal" ? new StoreUnavailableException("lost") : null;
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]), idempotencyKey: "k")).ExpectProblem(503, "store-unavailable");
        host.Multicasts.LostAnswer = null;
        var again = (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]), idempotencyKey: "k")).Expect(202);
        Assert.Equal(("t1", true), (again.Text("id"), again.IsReplayed));
    }

    [Fact]
    public async Task A_caller_that_goes_away_leaves_nothing()
    {
        await using var host = await CenterHost.StartAsync();
        var pause = new TaskCompletionSource();
        using var content = new DrippingContent(host, 30_000, pause.Task);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/multicasts") { Content = content };
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", host.AppKey);
        var sending = host.Http.SendAsync(request);
        await Waiting.Until(() => host.Multicasts.PartCalls > 0, "some of it is stored");
        pause.SetException(new IOException("gone"));
        await Assert.ThrowsAnyAsync<Exception>(() => sending);
        await Waiting.Until(() => host.Multicasts.Count == 0, "it is removed");
    }

    [Fact]
    public async Task Multicasts_are_steered_as_their_state_allows()
    {
        await using var host = await CenterHost.StartAsync();
        var gate = new TaskCompletionSource();
        host.Mailboxes.BeforeAppend = () => gate.Task;
        (await host.SendAsync("POST", "/v1/multicasts", Body([.. Enumerable.Range(0, 1_500).Select(i => $"u{i}")]))).Expect(202);
        await Waiting.Until(() => host.Multicasts.Record(1).State == TaskState.Running, "runs");
        Assert.Equal("paused", (await host.SendAsync("POST", "/v1/multicasts/t1/pause")).Expect(200).Text("state"));
        var refused = (await host.SendAsync("POST", "/v1/multicasts/t1/pause")).ExpectProblem(409, "wrong-state");
        Assert.Equal("The multicast is paused and cannot be paused.", refused.Text("detail"));
        Assert.Equal(40, (int)(await host.SendAsync("PATCH", "/v1/multicasts/t1", """{"ratePerSecond":40}""")).Expect(200).Json["ratePerSecond"]!);
        Assert.Equal("running", (await host.SendAsync("POST", "/v1/multicasts/t1/resume")).Expect(200).Text("state"));
        Assert.Equal("cancelled", (await host.SendAsync("POST", "/v1/multicasts/t1/cancel")).Expect(200).Text("state"));
        (await host.SendAsync("POST", "/v1/multicasts/t1/resume")).ExpectProblem(409, "wrong-state");
        gate.SetResult();
        await Waiting.Until(() => host.Multicasts.PartOf(1, 0).Owner == 0, "given back");
        Assert.InRange(host.Mailboxes.Total, 0, 1_000);
    }

    [Theory]
    [InlineData("GET", "")]
    [InlineData("POST", "/pause")]
    [InlineData("POST", "/resume")]
    [InlineData("POST", "/cancel")]
    public async Task Multicasts_that_are_not_known_are_not_found(string method, string action)
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]))).Expect(202);
        foreach (var id in (string[])["t2", "t01", "t0", "t", "b1-1", "t-1", "t1x", "t99999999999999999999"])
            (await host.SendAsync(method, $"/v1/multicasts/{id}{action}")).ExpectProblem(404, "no-such-multicast");
        (await host.SendAsync(method, $"/v1/multicasts/t1{action}", key: host.OtherKey)).ExpectProblem(404, "no-such-multicast");
    }

    [Fact]
    public async Task Multicasts_are_listed_newest_first_page_by_page()
    {
        await using var host = await CenterHost.StartAsync();
        for (var i = 0; i < 3; i++)
            (await host.SendAsync("POST", "/v1/multicasts", Body(["a"]))).Expect(202);
        var first = (await host.SendAsync("GET", "/v1/multicasts?limit=2")).Expect(200);
        Assert.Equal(["t3", "t2"], first.Json["multicasts"]!.AsArray().Select(one => (string)one!["id"]!));
        var second = (await host.SendAsync("GET", $"/v1/multicasts?limit=2&before={first.Text("next")}")).Expect(200);
        Assert.Equal(["t1"], second.Json["multicasts"]!.AsArray().Select(one => (string)one!["id"]!));
        Assert.Null(second.Json["next"]);
        (await host.SendAsync("GET", "/v1/multicasts?before=b1-1")).ExpectProblem(400, "invalid-field", "before");
        (await host.SendAsync("GET", "/v1/multicasts?limit=0")).ExpectProblem(400, "invalid-field", "limit");
    }

    [Fact]
    public async Task One_whose_time_is_over_is_done()
    {
        await using var host = await CenterHost.StartAsync();
        host.Mailboxes.OnAppend = _ => new AppendReply(WriteStatus.Overloaded, []);
        (await host.SendAsync("POST", "/v1/multicasts", Body(["a"], ",\"ttlSeconds\":60"))).Expect(202);
        (await host.SendAsync("POST", "/v1/multicasts/t1/pause")).Expect(200);
        host.Clock.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal("done", (await host.SendAsync("GET", "/v1/multicasts/t1")).Expect(200).Text("state"));
    }

    private static string Body(string[] users, string more = "") =>
        $"{{\"text\":\"hello\",\"users\":[{string.Join(',', users.Select(user => $"\"{user}\""))}]{more}}}";

    /// <summary>Lines of users, the later half only after some of the first half is stored.</summary>
    private sealed class DrippingContent : HttpContent
    {
        private readonly CenterHost _host;
        private readonly int _users;
        private readonly Task? _pause;

        public DrippingContent(CenterHost host, int users, Task? pause = null)
        {
            (_host, _users, _pause) = (host, users, pause);
            Headers.ContentType = new MediaTypeHeaderValue(MulticastUpload.LinesType);
        }

        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            await stream.WriteAsync("{\"text\":\"x\"}\n"u8.ToArray());
            await stream.WriteAsync(Lines(0, _users / 2));
            await stream.FlushAsync();
            await Waiting.Until(() => _host.Multicasts.PartCalls > 0, "the first half is stored");
            if (_pause is not null)
                await _pause;
            await stream.WriteAsync(Lines(_users / 2, _users));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        private static byte[] Lines(int from, int to) =>
            Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(from, to - from).Select(i => $"\"user-{i}\"\n")));
    }
}
