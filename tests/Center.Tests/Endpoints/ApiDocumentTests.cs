using System.Text.Json.Nodes;
using PushSystem.Center.OpenApi;
using PushSystem.Contracts;
using Xunit;

namespace PushSystem.Center.Tests.Endpoints;

/// <summary>The OpenAPI document and the API are the same thing.</summary>
public sealed class ApiDocumentTests
{
    [Fact]
    public async Task Every_path_is_documented_with_summary_security_answers_and_problems()
    {
        await using var host = await CenterHost.StartAsync();
        var operations = await OperationsAsync(host);
        string[] expected =
        [
            .. AuthTests.AppPaths.Concat(AuthTests.AdminPaths).Select(row => $"{row.Data.Item1} {row.Data.Item2}"
                .Replace("/users/a", "/users/{user}", StringComparison.Ordinal).Replace("/m1-1", "/{id}", StringComparison.Ordinal)
                .Replace("/b1-1", "/{id}", StringComparison.Ordinal).Replace("/t1", "/{id}", StringComparison.Ordinal).Replace("/apps/shop", "/apps/{app}", StringComparison.Ordinal)
                .Replace("/k1", "/{id}", StringComparison.Ordinal).Replace("-keys/1", "-keys/{id}", StringComparison.Ordinal)),
        ];
        Assert.Equal(expected.Order(StringComparer.Ordinal), operations.Select(one => $"{one.Method} {one.Path}").Order(StringComparer.Ordinal));
        Assert.Equal(operations.Count, operations.Select(one => (string)one.Operation["operationId"]!).Distinct().Count());
        foreach (var (method, path, operation) in operations)
        {
            Assert.False(string.IsNullOrEmpty((string?)operation["summary"]), $"{method} {path} has no summary");
            Assert.NotEmpty(operation["tags"]!.AsArray());
            var responses = operation["responses"]!.AsObject();
            Assert.Contains(responses, one => one.Key.StartsWith('2'));
            foreach (var status in (string[])["401", "403", "429", "500", "503"])
                Assert.Equal("#/components/schemas/Problem", (string?)responses[status]!["content"]!["application/problem+json"]!["schema"]!["$ref"]);
            foreach (var (status, response) in responses)
            {
                if (status[0] == '2' && status != "204")
                    Assert.NotNull(response!["content"]!["application/json"]!["example"]);
            }
            Assert.Equal(path.Contains("/apps", StringComparison.Ordinal) ? "adminKey" : "appKey", operation["security"]![0]!.AsObject().Single().Key);
            Assert.Equal(method == "POST", (operation["parameters"]?.AsArray() ?? []).Any(one => (string?)one!["name"] == "Idempotency-Key"));
            Assert.Equal(method is "POST" or "PATCH", operation.ContainsKey("requestBody"));
            foreach (var name in path.Split('{').Skip(1).Select(part => part.Split('}')[0]))
                Assert.Contains(operation["parameters"]!.AsArray(), one => (string?)one!["name"] == name && (string?)one["in"] == "path");
        }
    }

    [Fact]
    public async Task The_documents_own_examples_are_accepted()
    {
        await using var host = await CenterHost.StartAsync(prepare: host => host.Rooms.Add("room-1").OnFanout = _ => new FanoutProgress(true, false, 1, 0));
        host.Edit(CenterHost.App, app => app with { Webhook = new WebhookSettings("http://localhost/", new Dictionary<string, string>(), [new byte[32]], false) });
        (await host.SendAsync("POST", "/v1/broadcasts", """{"text":"x"}""")).Expect(202);
        // Its pause, resume and cancellation are tried before anybody may have ended it.
        var gate = new TaskCompletionSource();
        Func<Task> held = () => gate.Task;
        host.Mailboxes.BeforeAppend = held;
        (await host.SendAsync("POST", "/v1/multicasts", """{"text":"x","users":["alice"]}""")).Expect(202);
        var count = 0;
        foreach (var (method, path, operation) in await OperationsAsync(host))
        {
            if (operation["requestBody"] is not { } body)
                continue;
            var example = body["content"]!["application/json"]!["example"]?.ToJsonString() ?? "{}";
            var isAdmin = path.Contains("/apps", StringComparison.Ordinal);
            // The example of a new app is the app that is there already.
            example = path == "/v1/apps" ? example.Replace("\"shop\"", "\"shop-2\"", StringComparison.Ordinal) : example;
            var target = path.Replace("{app}", "shop", StringComparison.Ordinal).Replace("{user}", "alice", StringComparison.Ordinal)
                .Replace("{id}", path.StartsWith("/v1/multicasts", StringComparison.Ordinal) ? "t1" : "b1-1", StringComparison.Ordinal);
            host.Mailboxes.BeforeAppend = path.StartsWith("/v1/messages", StringComparison.Ordinal) ? null : held;
            var answer = await host.SendAsync(method, target, example, isAdmin ? host.AdminKey : null);
            Assert.True(answer.Status is >= 200 and < 300, $"{method} {path} refuses its example {example}: {answer.Body}");
            Assert.NotNull(operation["responses"]![answer.Status.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
            AssertSameMembers(operation["responses"]![$"{answer.Status}"]!["content"]!["application/json"]!["example"]!.AsObject(), answer.Json, $"{method} {path}");
            count++;
        }
        Assert.Equal(19, count);
        gate.SetResult();
    }

    [Theory]
    [InlineData("MessageRequest", "POST", "/v1/messages", false)]
    [InlineData("BatchRequest", "POST", "/v1/messages/batch", false)]
    [InlineData("TicketRequest", "POST", "/v1/tickets", false)]
    [InlineData("BroadcastRequest", "POST", "/v1/broadcasts", false)]
    [InlineData("MulticastRequest", "POST", "/v1/multicasts", false)]
    [InlineData("NewAppRequest", "POST", "/v1/apps", true)]
    [InlineData("AppChangeRequest", "PATCH", "/v1/apps/shop", true)]
    public async Task A_schema_has_the_members_that_the_parser_knows(string schema, string method, string path, bool isAdmin)
    {
        await using var host = await CenterHost.StartAsync();
        var document = await DocumentAsync(host);
        var members = document["components"]!["schemas"]![schema]!["properties"]!.AsObject().Select(one => one.Key).Order(StringComparer.Ordinal);
        var answer = (await host.SendAsync(method, path, """{"?":1}""", isAdmin ? host.AdminKey : null)).ExpectProblem(400, "unknown-member", "?");
        Assert.Equal(answer.Text("limit")!.Split(", ").Order(StringComparer.Ordinal), members);
    }

    [Fact]
    public async Task Schemas_name_bounds_and_refuse_unknown_members()
    {
        await using var host = await CenterHost.StartAsync();
        var schemas = (await DocumentAsync(host))["components"]!["schemas"]!;
        var message = schemas["MessageRequest"]!;
        Assert.Equal(["user"], message["required"]!.AsArray().Select(name => (string)name!));
        Assert.False((bool)message["additionalProperties"]!);
        Assert.Equal(3, message["oneOf"]!.AsArray().Count);
        Assert.Equal(["transient", "stored", "durable"], message["properties"]!["level"]!["enum"]!.AsArray().Select(value => (string)value!));
        Assert.Equal("integer", (string?)message["properties"]!["ttlSeconds"]!["type"]);
        Assert.Equal(1_000, (int)schemas["BatchRequest"]!["properties"]!["messages"]!["maxItems"]!);
        var limits = schemas["AppChangeRequest"]!["properties"]!["limits"]!["properties"]!.AsObject();
        foreach (var (name, schema) in limits)
        {
            foreach (var wrong in (decimal[])[(decimal)schema!["minimum"]! - 1, (decimal)schema["maximum"]! + 1])
            {
                var answer = await host.SendAsync("PATCH", "/v1/apps/shop", $$$"""{"limits":{"{{{name}}}":{{{wrong}}}}}""", host.AdminKey);
                answer.ExpectProblem(400, "invalid-field", $"limits.{name}");
                Assert.Equal($"{schema["minimum"]} to {schema["maximum"]}", answer.Text("limit"));
            }
            (await host.SendAsync("PATCH", "/v1/apps/shop", $$$"""{"limits":{"{{{name}}}":{{{schema["maximum"]}}}}}""", host.AdminKey)).Expect(200);
        }
    }

    [Fact]
    public async Task The_page_to_browse_the_document_is_there()
    {
        await using var host = await CenterHost.StartAsync();
        using var page = await host.Http.GetAsync(new Uri("/docs", UriKind.Relative));
        Assert.Equal(200, (int)page.StatusCode);
        Assert.EndsWith("/docs/index.html", page.RequestMessage!.RequestUri!.AbsolutePath, StringComparison.Ordinal);
        Assert.Contains("swagger-ui", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var script = await host.Http.GetAsync(new Uri("/docs/swagger-ui-bundle.js", UriKind.Relative));
        Assert.Equal(200, (int)script.StatusCode);
        using var setup = await host.Http.GetAsync(new Uri("/docs/index.js", UriKind.Relative));
        Assert.Contains("/openapi/v1.json", await setup.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_operation_has_a_name_of_its_own() =>
        Assert.Equal("App", SchemaNames.Of(typeof(Center.Endpoints.AppView)));

    private static void AssertSameMembers(JsonObject example, JsonObject answer, string where)
    {
        foreach (var (name, value) in answer)
        {
            Assert.True(example.ContainsKey(name), $"{where}: the example has no {name}");
            Assert.True(example[name]!.GetValueKind() == value!.GetValueKind() || example[name]!.GetValueKind().ToString()[0] is 'T' or 'F', $"{where}: {name} differs in kind");
        }
    }

    private static async Task<JsonNode> DocumentAsync(CenterHost host) =>
        JsonNode.Parse(await host.Http.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative)))!;

    private static async Task<IReadOnlyList<(string Method, string Path, JsonObject Operation)>> OperationsAsync(CenterHost host) =>
    [
        .. from path in (await DocumentAsync(host))["paths"]!.AsObject()
           from operation in path.Value!.AsObject()
           select (operation.Key.ToUpperInvariant(), path.Key, operation.Value!.AsObject()),
    ];
}
