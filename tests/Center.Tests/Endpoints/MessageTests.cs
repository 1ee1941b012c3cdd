using System.Text;
using System.Text.Json.Nodes;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

public sealed class MessageTests
{
    [Fact]
    public async Task A_message_is_stored_and_the_answer_says_where()
    {
        await using var host = await CenterHost.StartAsync();
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"alice","text":"hello","ttlSeconds":60}""")).Expect(202);
        Assert.Equal("application/json", answer.ContentType);
        Assert.Equal(
            """{"id":"m1-1","user":"alice","level":"durable","acceptedAt":"2026-01-01T12:00:00Z","expiresAt":"2026-01-01T12:01:00Z","state":"accepted"}""",
            answer.Body);
        var stored = Assert.Single(host.Mailboxes.Of(CenterHost.App, "alice"));
        Assert.Equal(Durability.Durable, stored.Level);
        Assert.Equal(PayloadKind.Text, stored.Draft.Kind);
        Assert.Equal("hello"u8.ToArray(), stored.Draft.Payload.ToArray());
        Assert.Equal(TimeSpan.FromSeconds(60), stored.Draft.TimeToLive);
    }

    [Theory]
    [InlineData("""{"user":"a","text":"\u00e4\n\ud83d\ude00"}""", PayloadKind.Text, "ä\n😀")]
    [InlineData("""{"user":"a","text":""}""", PayloadKind.Text, "")]
    [InlineData("""{"user":"a","text":"ä😀"}""", PayloadKind.Text, "ä😀")]
    [InlineData("""{"user":"a","json":{"b" : [1, 2.50, "\u00e4"]}}""", PayloadKind.Json, """{"b" : [1, 2.50, "\u00e4"]}""")]
    [InlineData("""{"user":"a","json": [ ] ,"ttlSeconds":1}""", PayloadKind.Json, "[ ]")]
    [InlineData("""{"user":"a","json":"x\"y"}""", PayloadKind.Json, "\"x\\\"y\"")]
    [InlineData("""{"user":"a","json":-1.5e3}""", PayloadKind.Json, "-1.5e3")]
    [InlineData("""{"user":"a","json":null}""", PayloadKind.Json, "null")]
    [InlineData("""{"user":"a","json":true}""", PayloadKind.Json, "true")]
    [InlineData("""{"json":{"user":"x","user":"y"},"user":"a"}""", PayloadKind.Json, """{"user":"x","user":"y"}""")]
    [InlineData("""{"user":"a","base64":"aGVsbG8="}""", PayloadKind.Binary, "hello")]
    [InlineData("""{"user":"a","base64":""}""", PayloadKind.Binary, "")]
    [InlineData("""{"\u0075ser":"\u0061","te\u0078t":"x"}""", PayloadKind.Text, "x")]
    public async Task Payloads_are_stored_byte_for_byte(string body, PayloadKind kind, string payload)
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/messages", body)).Expect(202);
        var stored = Assert.Single(host.Mailboxes.Of(CenterHost.App, "a"));
        Assert.Equal(kind, stored.Draft.Kind);
        Assert.Equal(payload, Encoding.UTF8.GetString(stored.Draft.Payload.Span));
    }

    [Fact]
    public async Task The_level_is_the_one_asked_for_and_the_default_is_the_options()
    {
        await using var host = await CenterHost.StartAsync(options => options.DefaultLevel = Durability.Stored);
        Assert.Equal("stored", (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""")).Expect(202).Text("level"));
        Assert.Equal("durable", (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x","level":"durable"}""")).Expect(202).Text("level"));
        Assert.Equal([Durability.Stored, Durability.Durable], host.Mailboxes.Of(CenterHost.App, "a").Select(stored => stored.Level));
    }

    [Fact]
    public async Task A_level_that_is_not_offered_is_refused_with_those_that_are()
    {
        await using var host = await CenterHost.StartAsync();
        host.Mailboxes.Levels = new HashSet<Durability> { Durability.Durable };
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x","level":"stored"}""")).ExpectProblem(400, "level-unavailable", "level");
        Assert.Equal("transient, durable", answer.Text("limit"));
        Assert.Equal(0, host.Mailboxes.AppendCount);
    }

    [Fact]
    public async Task A_batch_is_stored_in_order()
    {
        await using var host = await CenterHost.StartAsync();
        var answer = (await host.SendAsync("POST", "/v1/messages/batch",
            """{"messages":[{"user":"a","text":"1"},{"user":"b","json":{}},{"user":"a","base64":"Mg==","ttlSeconds":5}],"level":"stored"}""")).Expect(202);
        Assert.Equal(
            """{"level":"stored","count":3,"messages":[{"user":"a","id":"m1-1"},{"user":"b","id":"m1-1"},{"user":"a","id":"m1-2"}]}""", answer.Body);
        Assert.Equal(["1", "2"], host.Mailboxes.Of(CenterHost.App, "a").Select(stored => Encoding.UTF8.GetString(stored.Draft.Payload.Span)));
        Assert.Equal(1, host.Mailboxes.AppendCount);
    }

    [Fact]
    public async Task A_batch_of_1000_messages_of_64_KiB_text_pieces_is_taken()
    {
        await using var host = await CenterHost.StartAsync();
        var text = new string('x', 20_000);
        var messages = string.Join(',', Enumerable.Range(0, 1_000).Select(i => $$"""{"user":"u{{i}}","text":"{{text}}"}"""));
        var answer = (await host.SendAsync("POST", "/v1/messages/batch", $$"""{"messages":[{{messages}}]}""")).Expect(202);
        Assert.Equal(1_000, (int)answer.Json["count"]!);
        Assert.Equal(1_000, host.Mailboxes.Total);
        Assert.Equal(20_000, host.Mailboxes.Of(CenterHost.App, "u999").Single().Draft.Payload.Length);
    }

    [Fact]
    public async Task The_longest_payload_is_taken_even_when_every_byte_is_escaped()
    {
        await using var host = await CenterHost.StartAsync();
        var escaped = string.Concat(Enumerable.Repeat("\\u0001", 65_536));
        (await host.SendAsync("POST", "/v1/messages", $$"""{"user":"a","text":"{{escaped}}"}""")).Expect(202);
        Assert.Equal(65_536, host.Mailboxes.Of(CenterHost.App, "a").Single().Draft.Payload.Length);
        (await host.SendAsync("POST", "/v1/messages", $$"""{"user":"a","text":"{{escaped}}x"}""")).ExpectProblem(400, "payload-too-large", "text");
    }

    [Theory]
    [InlineData(WriteStatus.Overloaded, 503, "overloaded")]
    [InlineData(WriteStatus.LevelUnavailable, 400, "level-unavailable")]
    [InlineData(WriteStatus.Conflict, 422, "idempotency-conflict")]
    public async Task What_the_store_refuses_is_told(WriteStatus status, int expected, string slug)
    {
        await using var host = await CenterHost.StartAsync();
        host.Mailboxes.OnAppend = _ => new AppendReply(status, []);
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""")).ExpectProblem(expected, slug);
        if (expected == 503)
            Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter!.Delta);
    }

    [Fact]
    public async Task A_store_that_is_away_says_that_the_outcome_is_unknown()
    {
        await using var host = await CenterHost.StartAsync();
        host.Mailboxes.OnAppend = _ => throw new StoreUnavailableException("gone");
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""")).ExpectProblem(503, "store-unavailable");
        Assert.Contains("same Idempotency-Key", answer.Text("detail"), StringComparison.Ordinal);
        Assert.NotNull(answer.Headers.RetryAfter);
    }

    [Fact]
    public async Task Unknown_exceptions_tell_nothing_of_their_inside()
    {
        await using var host = await CenterHost.StartAsync();
        host.Mailboxes.OnAppend = _ => throw new InvalidOperationException("the secret is 42");
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"x"}""")).ExpectProblem(500, "internal");
        Assert.DoesNotContain("42", answer.Body, StringComparison.Ordinal);
        host.ForgetErrors();
    }

    [Theory]
    [InlineData(MessageState.Pending, "pending")]
    [InlineData(MessageState.Acked, "acked")]
    [InlineData(MessageState.Expired, "expired")]
    [InlineData(MessageState.Dropped, "dropped")]
    [InlineData(MessageState.Parked, "parked")]
    [InlineData(MessageState.Cancelled, "cancelled")]
    public async Task The_state_of_a_message_is_told(MessageState state, string name)
    {
        await using var host = await CenterHost.StartAsync();
        host.Mailboxes.Statuses[(new UserKey(CenterHost.App, "alice"), 3, 17)] = new MessageStatus(state, CenterHost.StartMilliseconds, 0);
        var answer = (await host.SendAsync("GET", "/v1/users/alice/messages/m3-17")).Expect(200);
        Assert.Equal($$"""{"id":"m3-17","user":"alice","state":"{{name}}","acceptedAt":"2026-01-01T12:00:00Z"}""", answer.Body);
        (await host.SendAsync("GET", "/v1/users/alice/messages/m3-17", key: host.OtherKey)).ExpectProblem(404, "no-such-message");
    }

    [Theory]
    [InlineData("m3-18")]
    [InlineData("m03-17")]
    [InlineData("m3-017")]
    [InlineData("m3--17")]
    [InlineData("m3")]
    [InlineData("b3-17")]
    [InlineData("m0-0")]
    [InlineData("m4294967296-1")]
    [InlineData("m1-9223372036854775808")]
    [InlineData("m+3-17")]
    public async Task A_message_that_is_not_known_is_not_found(string id)
    {
        await using var host = await CenterHost.StartAsync();
        host.Mailboxes.Statuses[(new UserKey(CenterHost.App, "alice"), 3, 17)] = new MessageStatus(MessageState.Acked, 1, 0);
        (await host.SendAsync("GET", $"/v1/users/alice/messages/{id}")).ExpectProblem(404, "no-such-message");
    }

    [Fact]
    public async Task Transient_messages_are_handed_to_the_room_and_stored_nowhere()
    {
        await using var host = await CenterHost.StartAsync();
        var room = host.Rooms.Add("room-1");
        var entry = host.Registry.Bind("alice", "room-1", 1);
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"alice","text":"typing","level":"transient","ttlSeconds":5}""")).Expect(200);
        Assert.Equal("""{"user":"alice","level":"transient","delivered":true}""", answer.Body);
        var item = Assert.Single(room.Delivered);
        Assert.Equal((0u, 0L, entry.Generation), (item.Epoch, item.Seq, item.Generation));
        Assert.Equal(CenterHost.StartMilliseconds + 5_000, item.ExpiresAt);
        Assert.Equal(0, host.Mailboxes.AppendCount);
    }

    [Fact]
    public async Task A_transient_batch_tells_each_outcome_with_one_call_per_room()
    {
        await using var host = await CenterHost.StartAsync();
        var (one, two, broken) = (host.Rooms.Add("room-1"), host.Rooms.Add("room-2"), host.Rooms.Add("room-3"));
        two.OnDeliver = item => item.Key.User == "full" ? DeliverOutcome.Dropped : DeliverOutcome.Taken;
        broken.Fault = new IOException("gone");
        host.Registry.Bind("a", "room-1", 1);
        host.Registry.Bind("b", "room-2", 1);
        host.Registry.Bind("full", "room-2", 1);
        host.Registry.Bind("dead", "room-9", 1);
        host.Registry.Bind("broken", "room-3", 1);
        string[] users = ["a", "b", "full", "nobody", "dead", "broken", "a"];
        var messages = string.Join(',', users.Select(user => $$"""{"user":"{{user}}","text":"x"}"""));
        var answer = (await host.SendAsync("POST", "/v1/messages/batch", $$"""{"level":"transient","messages":[{{messages}}]}""")).Expect(200);
        Assert.Equal(7, (int)answer.Json["count"]!);
        Assert.Equal([true, true, false, false, false, false, true], answer.Json["messages"]!.AsArray().Select(one => (bool)one!["delivered"]!));
        Assert.Equal(1, one.DeliverCalls);
        Assert.Equal(1, two.DeliverCalls);
        Assert.Equal(1, host.Registry.LookupCalls);
    }

    [Fact]
    public async Task A_stale_entry_of_a_transient_message_is_taken_back_and_looked_up_once_more()
    {
        await using var host = await CenterHost.StartAsync();
        var (old, current) = (host.Rooms.Add("room-1"), host.Rooms.Add("room-2"));
        old.OnDeliver = _ => DeliverOutcome.NotHere;
        host.Registry.Bind("alice", "room-1", 1);
        host.Registry.AfterUnbind = () => host.Registry.Bind("alice", "room-2", 1);
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"alice","text":"x","level":"transient"}""")).Expect(200);
        Assert.True((bool)answer.Json["delivered"]!);
        Assert.Single(old.Delivered);
        Assert.Single(current.Delivered);
    }

    [Fact]
    public async Task A_transient_message_is_looked_up_no_third_time()
    {
        await using var host = await CenterHost.StartAsync();
        var room = host.Rooms.Add("room-1");
        room.OnDeliver = _ => DeliverOutcome.NotHere;
        host.Registry.Bind("alice", "room-1", 1);
        host.Registry.AfterUnbind = () => host.Registry.Bind("alice", "room-1", 1);
        var answer = (await host.SendAsync("POST", "/v1/messages", """{"user":"alice","text":"x","level":"transient"}""")).Expect(200);
        Assert.False((bool)answer.Json["delivered"]!);
        Assert.Equal(2, room.DeliverCalls);
        Assert.Equal(2, host.Registry.LookupCalls);
    }

    [Fact]
    public async Task The_answer_does_not_wait_for_the_room()
    {
        await using var host = await CenterHost.StartAsync();
        var room = host.Rooms.Add("room-1");
        var gate = new TaskCompletionSource();
        room.Gate = gate.Task;
        host.Registry.Bind("alice", "room-1", 1);
        for (var i = 0; i < 3; i++)
            (await host.SendAsync("POST", "/v1/messages", """{"user":"alice","text":"x"}""")).Expect(202);
        await Waiting.For(room.FirstDelivery, "the first message reaches the room");
        gate.SetResult();
        await Waiting.Until(() => room.Delivered.Count == 3, "all messages reach the room");
        Assert.Equal([1L, 2L, 3L], room.Delivered.Select(item => item.Seq));
    }

    [Fact]
    public async Task Apps_do_not_see_each_other()
    {
        await using var host = await CenterHost.StartAsync();
        (await host.SendAsync("POST", "/v1/messages", """{"user":"alice","text":"x"}""")).Expect(202);
        (await host.SendAsync("POST", "/v1/messages", """{"user":"alice","text":"y"}""", host.OtherKey)).Expect(202);
        Assert.Equal("x"u8.ToArray(), Assert.Single(host.Mailboxes.Of(CenterHost.App, "alice")).Draft.Payload.ToArray());
        Assert.Equal("y"u8.ToArray(), Assert.Single(host.Mailboxes.Of(CenterHost.OtherApp, "alice")).Draft.Payload.ToArray());
    }
}
