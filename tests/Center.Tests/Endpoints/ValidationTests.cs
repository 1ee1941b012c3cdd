using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

/// <summary>Every way in which a body or path can be wrong: the problem names the field and the limit, and nothing changes.</summary>
public sealed class ValidationTests : IAsyncLifetime
{
    private const string Single = "POST /v1/messages", Batch = "POST /v1/messages/batch", Ticket = "POST /v1/tickets", Broadcast = "POST /v1/broadcasts",
        Rate = "PATCH /v1/broadcasts/b1-1", NewApp = "POST /v1/apps", ChangeApp = "PATCH /v1/apps/shop", Kick = "POST /v1/users/alice/kick";

    private CenterHost _host = null!;

    public static TheoryData<string, string, string, string?> Bodies
    {
        get
        {
            var long64 = new string('a', 65);
            var bytes65 = new string('ä', 33);
            var data = new TheoryData<string, string, string, string?>
            {
                // Not JSON, or not an object
                { Single, "", "malformed-json", null },
                { Single, "{", "malformed-json", null },
                { Single, """{"user":"a","text":"x"}}""", "malformed-json", null },
                { Single, """{"user":"a","text":"x"} {}""", "malformed-json", null },
                { Single, """{"user":"a","text":"x",}""", "malformed-json", null },
                { Single, """{"user":"a" "text":"x"}""", "malformed-json", null },
                { Single, """{user:"a"}""", "malformed-json", null },
                { Single, """{"user":'a'}""", "malformed-json", null },
                { Single, """{"user":"a","text":"x"/**/}""", "malformed-json", null },
                { Single, "{\"user\":\"a\",\"text\":\"line\nbreak\"}", "malformed-json", null },
                { Single, """{"user":"a","json":{"b":tru}}""", "malformed-json", null },
                { Single, """{"user":"a","json":01}""", "malformed-json", null },
                { Single, """{"user":"a","json":""", "malformed-json", null },
                { Single, """{"user":"a","json":""" + new string('[', 70) + new string(']', 70) + "}", "malformed-json", null },
                { Single, "[]", "invalid-field", "" },
                { Single, "null", "invalid-field", "" },
                { Single, "\"user\"", "invalid-field", "" },
                { Single, "7", "invalid-field", "" },
                // user
                { Single, """{"text":"x"}""", "missing-field", "user" },
                { Single, """{"user":"","text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":null,"text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":7,"text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":["a"],"text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":{"a":1},"text":"x"}""", "invalid-field", "user" },
                { Single, $$"""{"user":"{{long64}}","text":"x"}""", "invalid-field", "user" },
                { Single, $$"""{"user":"{{bytes65}}","text":"x"}""", "invalid-field", "user" },
                { Single, $$"""{"user":"{{new string('a', 100_000)}}","text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":"a\nb","text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":"a\u0000","text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":"a\u007f","text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":"a\u0085","text":"x"}""", "invalid-field", "user" },
                { Single, """{"user":"a\ud800","text":"x"}""", "invalid-field", "user" },
                // payload
                { Single, """{"user":"a"}""", "missing-field", "text" },
                { Single, """{"user":"a","text":"x","json":1}""", "invalid-field", "json" },
                { Single, """{"user":"a","base64":"aGk=","text":"x"}""", "invalid-field", "text" },
                { Single, """{"user":"a","json":1,"base64":"aGk="}""", "invalid-field", "base64" },
                { Single, """{"user":"a","text":null}""", "invalid-field", "text" },
                { Single, """{"user":"a","text":7}""", "invalid-field", "text" },
                { Single, """{"user":"a","text":{}}""", "invalid-field", "text" },
                { Single, """{"user":"a","text":"\ud800x"}""", "invalid-field", "text" },
                { Single, """{"user":"a","base64":7}""", "invalid-field", "base64" },
                { Single, """{"user":"a","base64":"aGk"}""", "invalid-field", "base64" },
                { Single, """{"user":"a","base64":"a-_="}""", "invalid-field", "base64" },
                { Single, $$"""{"user":"a","text":"{{new string('x', 65_537)}}"}""", "payload-too-large", "text" },
                { Single, $$"""{"user":"a","text":"{{new string('ä', 32_769)}}"}""", "payload-too-large", "text" },
                { Single, $$"""{"user":"a","json":"{{new string('x', 65_535)}}"}""", "payload-too-large", "json" },
                { Single, $$"""{"user":"a","json":[{{string.Join(',', Enumerable.Repeat("1", 32_769))}}]}""", "payload-too-large", "json" },
                { Single, $$"""{"user":"a","base64":"{{Convert.ToBase64String(new byte[65_537])}}"}""", "payload-too-large", "base64" },
                // level and time to live
                { Single, """{"user":"a","text":"x","level":"best"}""", "invalid-field", "level" },
                { Single, """{"user":"a","text":"x","level":"Durable"}""", "invalid-field", "level" },
                { Single, """{"user":"a","text":"x","level":2}""", "invalid-field", "level" },
                { Single, """{"user":"a","text":"x","level":null}""", "invalid-field", "level" },
                { Single, """{"user":"a","text":"x","ttlSeconds":0}""", "invalid-field", "ttlSeconds" },
                { Single, """{"user":"a","text":"x","ttlSeconds":-1}""", "invalid-field", "ttlSeconds" },
                { Single, """{"user":"a","text":"x","ttlSeconds":604801}""", "invalid-field", "ttlSeconds" },
                { Single, """{"user":"a","text":"x","ttlSeconds":1.5}""", "invalid-field", "ttlSeconds" },
                { Single, """{"user":"a","text":"x","ttlSeconds":99999999999999999999}""", "invalid-field", "ttlSeconds" },
                { Single, """{"user":"a","text":"x","ttlSeconds":"60"}""", "invalid-field", "ttlSeconds" },
                { Single, """{"user":"a","text":"x","ttlSeconds":null}""", "invalid-field", "ttlSeconds" },
                // members
                { Single, """{"user":"a","text":"x","priority":1}""", "unknown-member", "priority" },
                { Single, """{"user":"a","Text":"x"}""", "unknown-member", "Text" },
                { Single, """{"user":"a","text":"x","":1}""", "unknown-member", "" },
                { Single, """{"user":"a","text":"x","\ud800":1}""", "invalid-field", "?" },
                { Single, """{"user":"a","user":"b","text":"x"}""", "duplicate-member", "user" },
                { Single, """{"user":"a","us\u0065r":"b","text":"x"}""", "duplicate-member", "user" },
                { Single, """{"user":"a","text":"x","text":"y"}""", "duplicate-member", "text" },
                { Single, """{"user":"a","json":1,"json":1}""", "duplicate-member", "json" },
                { Single, """{"user":"a","base64":"","base64":""}""", "duplicate-member", "base64" },
                { Single, """{"user":"a","text":"x","level":"durable","level":"durable"}""", "duplicate-member", "level" },
                { Single, """{"user":"a","text":"x","ttlSeconds":1,"ttlSeconds":1}""", "duplicate-member", "ttlSeconds" },
                { Single, """{"messages":[]}""", "unknown-member", "messages" },
                // batches
                { Batch, "{}", "missing-field", "messages" },
                { Batch, """{"messages":[]}""", "invalid-field", "messages" },
                { Batch, """{"messages":{}}""", "invalid-field", "messages" },
                { Batch, """{"messages":null}""", "invalid-field", "messages" },
                { Batch, """{"messages":[7]}""", "invalid-field", "messages[0]" },
                { Batch, """{"messages":[{"user":"a","text":"x"},null]}""", "invalid-field", "messages[1]" },
                { Batch, """{"messages":[{"user":"a","text":"x"},[]]}""", "invalid-field", "messages[1]" },
                { Batch, """{"messages":[{"user":"a","text":"x"},{"text":"x"}]}""", "missing-field", "messages[1].user" },
                { Batch, """{"messages":[{"user":"a","text":"x"},{"user":"b"}]}""", "missing-field", "messages[1].text" },
                { Batch, """{"messages":[{"user":"a","text":"x"},{"user":"b","text":"x","ttlSeconds":0}]}""", "invalid-field", "messages[1].ttlSeconds" },
                { Batch, """{"messages":[{"user":"a","text":"x","level":"durable"}]}""", "unknown-member", "messages[0].level" },
                { Batch, """{"messages":[{"user":"a","user":"a","text":"x"}]}""", "duplicate-member", "messages[0].user" },
                { Batch, """{"messages":[{"user":"a","text":"x"},{"user":"a","text":"x","json":0}]}""", "invalid-field", "messages[1].json" },
                { Batch, $$"""{"messages":[{"user":"a","text":"{{new string('x', 65_537)}}"}]}""", "payload-too-large", "messages[0].text" },
                { Batch, """{"messages":[{"user":"a","text":"x"}],"messages":[{"user":"a","text":"x"}]}""", "duplicate-member", "messages" },
                { Batch, """{"level":"durable","messages":[{"user":"a","text":"x"}],"level":"durable"}""", "duplicate-member", "level" },
                { Batch, """{"level":"x","messages":[{"user":"a","text":"x"}]}""", "invalid-field", "level" },
                { Batch, """{"user":"a","text":"x"}""", "unknown-member", "user" },
                { Batch, """{"messages":[{"user":"a","text":"x"}""", "malformed-json", null },
                { Batch, $$"""{"messages":[{{string.Join(',', Enumerable.Repeat("""{"user":"a","text":"x"}""", 1_001))}}]}""", "invalid-field", "messages" },
                // tickets
                { Ticket, "{}", "missing-field", "user" },
                { Ticket, """{"user":""}""", "invalid-field", "user" },
                { Ticket, """{"user":"a","user":"a"}""", "duplicate-member", "user" },
                { Ticket, """{"user":"a","ttlSeconds":59}""", "invalid-field", "ttlSeconds" },
                { Ticket, """{"user":"a","ttlSeconds":2592001}""", "invalid-field", "ttlSeconds" },
                { Ticket, """{"user":"a","app":"b"}""", "unknown-member", "app" },
                { Ticket, "", "malformed-json", null },
                // broadcasts
                { Broadcast, "{}", "missing-field", "text" },
                { Broadcast, """{"text":"x","user":"a"}""", "unknown-member", "user" },
                { Broadcast, """{"text":"x","json":1}""", "invalid-field", "json" },
                { Broadcast, """{"text":"x","ratePerSecond":-1}""", "invalid-field", "ratePerSecond" },
                { Broadcast, """{"text":"x","ratePerSecond":10000001}""", "invalid-field", "ratePerSecond" },
                { Broadcast, """{"text":"x","ratePerSecond":"fast"}""", "invalid-field", "ratePerSecond" },
                { Broadcast, """{"text":"x","ratePerSecond":1,"ratePerSecond":1}""", "duplicate-member", "ratePerSecond" },
                { Broadcast, """{"text":"x","ttlSeconds":604801}""", "invalid-field", "ttlSeconds" },
                { Broadcast, $$"""{"text":"{{new string('x', 65_537)}}"}""", "payload-too-large", "text" },
                { Rate, "{}", "missing-field", "ratePerSecond" },
                { Rate, """{"ratePerSecond":-1}""", "invalid-field", "ratePerSecond" },
                { Rate, """{"ratePerSecond":1,"ratePerSecond":1}""", "duplicate-member", "ratePerSecond" },
                { Rate, """{"state":"paused"}""", "unknown-member", "state" },
                // requests that say nothing
                { Kick, """{"reason":"x"}""", "unknown-member", "reason" },
                { Kick, "[]", "invalid-field", "" },
                { Kick, "{} {}", "malformed-json", null },
                { "POST /v1/broadcasts/b1-1/pause", """{"x":1}""", "unknown-member", "x" },
                { "POST /v1/broadcasts/b1-1/resume", """{"x":1}""", "unknown-member", "x" },
                { "POST /v1/broadcasts/b1-1/cancel", """{"x":1}""", "unknown-member", "x" },
                { "POST /v1/apps/shop/api-keys", """{"x":1}""", "unknown-member", "x" },
                { "POST /v1/apps/shop/ticket-keys", """{"x":1}""", "unknown-member", "x" },
                { "POST /v1/apps/shop/webhook-secrets", """{"x":1}""", "unknown-member", "x" },
                // apps
                { NewApp, "{}", "missing-field", "id" },
                { NewApp, """{"id":""}""", "invalid-field", "id" },
                { NewApp, """{"id":"Shop"}""", "invalid-field", "id" },
                { NewApp, """{"id":"-shop"}""", "invalid-field", "id" },
                { NewApp, """{"id":"sh op"}""", "invalid-field", "id" },
                { NewApp, """{"id":"shöp"}""", "invalid-field", "id" },
                { NewApp, """{"id":7}""", "invalid-field", "id" },
                { NewApp, $$"""{"id":"{{long64}}"}""", "invalid-field", "id" },
                { NewApp, """{"id":"a","id":"b"}""", "duplicate-member", "id" },
                { NewApp, """{"id":"a","enabled":false}""", "unknown-member", "enabled" },
                { NewApp, """{"id":"a","apiKeys":[]}""", "unknown-member", "apiKeys" },
                { NewApp, $$"""{"id":"a","name":"{{new string('n', 129)}}"}""", "invalid-field", "name" },
                { NewApp, """{"id":"a","name":"a\tb"}""", "invalid-field", "name" },
                { NewApp, """{"id":"a","webhook":"http://x"}""", "invalid-field", "webhook" },
                { NewApp, """{"id":"a","webhook":{}}""", "missing-field", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"shop.example"}}""", "invalid-field", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"/push"}}""", "invalid-field", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"ftp://shop.example/"}}""", "invalid-field", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"file:///etc/passwd"}}""", "invalid-field", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"http://user:secret@shop.example/"}}""", "invalid-field", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"http://shop.example/#x"}}""", "invalid-field", "webhook.url" },
                { NewApp, $$$"""{"id":"a","webhook":{"url":"http://shop.example/{{{new string('p', 2_048)}}}"}}""", "invalid-field", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","secret":"s"}}""", "unknown-member", "webhook.secret" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","url":"http://x/"}}""", "duplicate-member", "webhook.url" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","presence":1}}""", "invalid-field", "webhook.presence" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","typeUrls":[]}}""", "invalid-field", "webhook.typeUrls" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","typeUrls":{"":"http://x/"}}}""", "invalid-field", "webhook.typeUrls" },
                { NewApp, $$$$"""{"id":"a","webhook":{"url":"http://x/","typeUrls":{"{{{{new string('t', 33)}}}}":"http://x/"}}}""", "invalid-field", "webhook.typeUrls" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","typeUrls":{"t":"x"}}}""", "invalid-field", "webhook.typeUrls.t" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","typeUrls":{"t":"http://x/","t":"http://x/"}}}""", "duplicate-member", "webhook.typeUrls.t" },
                { NewApp, """{"id":"a","webhook":{"url":"http://x/","typeUrls":{""" + string.Join(',', Enumerable.Range(0, 101).Select(i => $"\"t{i}\":\"http://x/\"")) + "}}}", "invalid-field", "webhook.typeUrls" },
                { NewApp, """{"id":"a","limits":[]}""", "invalid-field", "limits" },
                { NewApp, """{"id":"a","limits":{"mailboxMessages":0}}""", "invalid-field", "limits.mailboxMessages" },
                { NewApp, """{"id":"a","limits":{"mailboxMessages":100001}}""", "invalid-field", "limits.mailboxMessages" },
                { NewApp, """{"id":"a","limits":{"mailboxBytes":1023}}""", "invalid-field", "limits.mailboxBytes" },
                { NewApp, """{"id":"a","limits":{"mailboxAgeSeconds":2592001}}""", "invalid-field", "limits.mailboxAgeSeconds" },
                { NewApp, """{"id":"a","limits":{"payloadBytes":65537}}""", "invalid-field", "limits.payloadBytes" },
                { NewApp, """{"id":"a","limits":{"deliveryAttempts":0}}""", "invalid-field", "limits.deliveryAttempts" },
                { NewApp, """{"id":"a","limits":{"eventCount":0}}""", "invalid-field", "limits.eventCount" },
                { NewApp, """{"id":"a","limits":{"eventBytes":1}}""", "invalid-field", "limits.eventBytes" },
                { NewApp, """{"id":"a","limits":{"requestsPerSecond":-1}}""", "invalid-field", "limits.requestsPerSecond" },
                { NewApp, """{"id":"a","limits":{"other":1}}""", "unknown-member", "limits.other" },
                { NewApp, """{"id":"a","limits":{"eventCount":1,"eventCount":1}}""", "duplicate-member", "limits.eventCount" },
                { ChangeApp, """{"id":"b"}""", "unknown-member", "id" },
                { ChangeApp, """{"enabled":"yes"}""", "invalid-field", "enabled" },
                { ChangeApp, """{"name":null}""", "invalid-field", "name" },
                { ChangeApp, """{"limits":null}""", "invalid-field", "limits" },
                { ChangeApp, "", "malformed-json", null },
            };
            return data;
        }
    }

    public async ValueTask InitializeAsync() => _host = await CenterHost.StartAsync();

    public ValueTask DisposeAsync() => _host.DisposeAsync();

    [Theory(DisableDiscoveryEnumeration = true)]
    [MemberData(nameof(Bodies))]
    public async Task A_wrong_body_is_refused_with_its_field_and_changes_nothing(string endpoint, string body, string slug, string? field)
    {
        var (method, path) = (endpoint.Split(' ')[0], endpoint.Split(' ')[1]);
        var apps = _host.Apps.All.Select(app => (app.Id, app.Revision)).ToArray();
        var answer = await _host.SendAsync(method, path, body, path.StartsWith("/v1/apps", StringComparison.Ordinal) ? _host.AdminKey : null);
        answer.ExpectProblem(400, slug, field);
        if (slug != "malformed-json" && slug != "missing-field")
            Assert.False(string.IsNullOrEmpty(answer.Text("limit")), "the limit is missing");
        Assert.Equal(0, _host.Mailboxes.AppendCount);
        Assert.Equal(0, _host.Log.Count);
        Assert.Equal(0, _host.Coordinator.Kicks);
        Assert.Equal(0, _host.Idempotency.Count);
        Assert.Equal(apps, _host.Apps.All.Select(app => (app.Id, app.Revision)));
    }

    [Theory]
    [InlineData("{\"user\":\"a\",\n \"text\":x}", "Line 2, byte 9: ")]
    [InlineData("{\"user\":\"a\",", "Line 1, byte 12: ")]
    public async Task Malformed_JSON_is_refused_with_its_place(string body, string place)
    {
        var answer = (await _host.SendAsync("POST", "/v1/messages", body)).ExpectProblem(400, "malformed-json");
        Assert.StartsWith(place, answer.Text("detail"), StringComparison.Ordinal);
        Assert.DoesNotContain("LineNumber", answer.Text("detail"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_that_is_not_UTF8_is_refused_with_its_place()
    {
        byte[] body = [.. "{\"user\":\"a\",\"text\":\"x"u8, 0xC3, 0x28, .. "\"}"u8];
        var answer = (await _host.SendBytesAsync("POST", "/v1/messages", body)).ExpectProblem(400, "malformed-json");
        Assert.Equal("The body is not valid UTF-8 at byte 22.", answer.Text("detail"));
    }

    [Theory]
    [InlineData("GET", "/v1/users/a%0Ab", "user")]
    [InlineData("GET", "/v1/users/a%FFb", "user")]
    [InlineData("GET", "/v1/users/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "user")]
    [InlineData("POST", "/v1/users/a%7Fb/kick", "user")]
    [InlineData("GET", "/v1/users/a%1Fb/messages/m1-1", "user")]
    [InlineData("GET", "/v1/broadcasts?limit=0", "limit")]
    [InlineData("GET", "/v1/broadcasts?limit=101", "limit")]
    [InlineData("GET", "/v1/broadcasts?limit=x", "limit")]
    [InlineData("GET", "/v1/broadcasts?limit=", "limit")]
    [InlineData("GET", "/v1/broadcasts?limit=1&limit=2", "limit")]
    [InlineData("GET", "/v1/broadcasts?before=7", "before")]
    [InlineData("GET", "/v1/broadcasts?before=m1-7", "before")]
    public async Task A_wrong_path_or_query_is_refused_with_its_name(string method, string path, string field)
    {
        var answer = (await _host.SendAsync(method, path)).ExpectProblem(400, "invalid-field", field);
        Assert.False(string.IsNullOrEmpty(answer.Text("limit")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\u007f")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public async Task A_wrong_Idempotency_Key_is_refused(string key)
    {
        foreach (var (path, body) in new[] { ("/v1/messages", """{"user":"a","text":"x"}"""), ("/v1/tickets", """{"user":"a"}"""), ("/v1/broadcasts", """{"text":"x"}""") })
            (await _host.SendAsync("POST", path, body, idempotencyKey: key)).ExpectProblem(400, "invalid-field", "Idempotency-Key");
        Assert.Equal(0, _host.Mailboxes.AppendCount);
    }

    [Fact]
    public async Task The_apps_own_limits_hold()
    {
        _host.Edit(CenterHost.App, app => app with { Limits = app.Limits with { PayloadBytes = 3, MailboxAge = TimeSpan.FromSeconds(10) } });
        (await _host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"abc","ttlSeconds":10}""")).Expect(202);
        Assert.Equal("at most 3 bytes", (await _host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"abcd"}""")).ExpectProblem(400, "payload-too-large").Text("limit"));
        Assert.Equal("1 to 10", (await _host.SendAsync("POST", "/v1/messages", """{"user":"a","text":"a","ttlSeconds":11}""")).ExpectProblem(400, "invalid-field").Text("limit"));
    }
}
