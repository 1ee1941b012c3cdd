using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using PushSystem.Client;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Integration.Tests;

/// <summary>The whole way through one real process: HTTP in, TCP out, and back.</summary>
public sealed class EndToEndTests : IAsyncLifetime
{
    private Gateway _gateway = null!;

    public async ValueTask InitializeAsync() => _gateway = await Gateway.StartNew("--no-demo-device");

    public ValueTask DisposeAsync() => _gateway.DisposeAsync();

    [Fact]
    public async Task A_unicast_reaches_the_online_user_and_is_acked()
    {
        await using var phone = await Phone.Connect(_gateway, "phone", "alice");
        var (status, reply) = await _gateway.Post("/v1/messages", new { user = "alice", text = "hi" });
        Assert.Equal(202, status);
        var message = await phone.Next("the push");
        Assert.Equal("hi", message.Text);
        Assert.Equal(reply["id"]!.GetValue<string>(), message.Id);
        await Eventually(async () => (await _gateway.Get($"/v1/users/alice/messages/{message.Id}")).Body["state"]?.GetValue<string>() == "acked", "acked");
    }

    [Fact]
    public async Task A_message_to_an_offline_user_waits_and_arrives_at_the_login()
    {
        for (var i = 0; i < 5; i++)
            Assert.Equal(202, (await _gateway.Post("/v1/messages", new { user = "bob", text = $"m{i}" })).Status);
        var summary = (await _gateway.Get("/v1/users/bob")).Body;
        Assert.False(summary["online"]!.GetValue<bool>());
        Assert.Equal(5, summary["mailbox"]!["pending"]!.GetValue<int>());
        await using var phone = await Phone.Connect(_gateway, "phone", "bob");
        for (var i = 0; i < 5; i++)
            Assert.Equal($"m{i}", (await phone.Next($"message {i}")).Text);
    }

    [Fact]
    public async Task A_transient_message_reaches_only_who_is_online()
    {
        await using var phone = await Phone.Connect(_gateway, "phone", "alice");
        var online = await _gateway.Post("/v1/messages", new { user = "alice", text = "typing", level = "transient" });
        Assert.Equal(200, online.Status);
        Assert.True(online.Body["delivered"]!.GetValue<bool>());
        var message = await phone.Next("the transient push");
        Assert.True(message.IsTransient);
        var offline = await _gateway.Post("/v1/messages", new { user = "nobody", text = "typing", level = "transient" });
        Assert.False(offline.Body["delivered"]!.GetValue<bool>());
    }

    [Fact]
    public async Task Several_users_share_a_connection_and_each_gets_its_own_messages()
    {
        await using var phone = await Phone.Connect(_gateway, "phone", "u1", "u2", "u3");
        var body = new { messages = new[] { new { user = "u3", text = "three" }, new { user = "u1", text = "one" }, new { user = "u2", text = "two" } } };
        Assert.Equal(202, (await _gateway.Post("/v1/messages/batch", body)).Status);
        var seen = new Dictionary<string, string>();
        for (var i = 0; i < 3; i++)
        {
            var message = await phone.Next($"message {i}");
            seen[message.User] = message.Text;
        }
        Assert.Equal(new Dictionary<string, string> { ["u1"] = "one", ["u2"] = "two", ["u3"] = "three" }, seen);
    }

    [Fact]
    public async Task A_broadcast_reaches_online_users_now_and_offline_users_at_their_login()
    {
        await using (await Phone.Connect(_gateway, "late", "late-user"))
        {
            // The user is known from now on.
        }
        await using var phone = await Phone.Connect(_gateway, "phone", "alice");
        var (status, task) = await _gateway.Post("/v1/broadcasts", new { text = "to all" });
        Assert.Equal(202, status);
        var id = task["id"]!.GetValue<string>();
        Assert.Equal(id, (await phone.Next("the broadcast")).Id);
        await Eventually(async () => (await _gateway.Get($"/v1/broadcasts/{id}")).Body["state"]!.GetValue<string>() == "done", "the task is done");
        await using var late = await Phone.Connect(_gateway, "late", "late-user");
        Assert.Equal("to all", (await late.Next("the broadcast, later")).Text);
        await Eventually(async () => (await _gateway.Get($"/v1/broadcasts/{id}")).Body["acked"]!.GetValue<long>() >= 2, "both acked");
    }

    [Fact]
    public async Task A_throttled_broadcast_can_be_paused_and_cancelled()
    {
        await using var phone = await Phone.Connect(_gateway, "phone", [.. Enumerable.Range(0, 8).Select(i => $"b{i}")]);
        var (_, task) = await _gateway.Post("/v1/broadcasts", new { text = "slow", ratePerSecond = 1 });
        var id = task["id"]!.GetValue<string>();
        await phone.Next("the first of eight");
        Assert.Equal(200, (await _gateway.Post($"/v1/broadcasts/{id}/pause", "{}")).Status);
        var paused = (await _gateway.Get($"/v1/broadcasts/{id}")).Body;
        Assert.Equal("paused", paused["state"]!.GetValue<string>());
        Assert.Equal(200, (await _gateway.Post($"/v1/broadcasts/{id}/cancel", "{}")).Status);
        Assert.Equal(409, (await _gateway.Post($"/v1/broadcasts/{id}/resume", "{}")).Status);
        await _gateway.Post("/v1/broadcasts", new { text = "next" });
        var texts = new List<string>();
        while (texts.Count(text => text == "next") < 8)
            texts.Add((await phone.Next("the next broadcast")).Text);
        Assert.True(texts.Count(text => text == "slow") < 7, "the cancelled broadcast went on");
    }

    [Fact]
    public async Task A_newer_login_replaces_the_older_one()
    {
        await using var first = await Phone.Connect(_gateway, "first", "alice");
        await using var second = await Phone.Connect(_gateway, "second", "alice");
        await Waiting.Until(() => first.States.Any(s => s is { State: ClientState.Stopped, Reason: ReasonCode.Replaced }), "the first is told that it was replaced");
        await _gateway.Post("/v1/messages", new { user = "alice", text = "to the second" });
        Assert.Equal("to the second", (await second.Next("the push")).Text);
    }

    [Fact]
    public async Task A_kicked_user_goes_offline_and_does_not_return()
    {
        await using var phone = await Phone.Connect(_gateway, "phone", "alice");
        Assert.True((await _gateway.Get("/v1/users/alice")).Body["online"]!.GetValue<bool>());
        var (status, reply) = await _gateway.Post("/v1/users/alice/kick", "{}");
        Assert.Equal(200, status);
        Assert.True(reply["kicked"]!.GetValue<bool>());
        await Waiting.Until(() => phone.States.Any(s => s is { State: ClientState.Stopped, Reason: ReasonCode.Kicked }), "the phone is told");
        await Eventually(async () => !(await _gateway.Get("/v1/users/alice")).Body["online"]!.GetValue<bool>(), "offline");
    }

    [Fact]
    public async Task An_idempotency_key_gives_the_same_answer_after_a_crash_and_refuses_another_body()
    {
        var first = await _gateway.Post("/v1/messages", new { user = "alice", text = "once" }, "key-1");
        await _gateway.Kill();
        await _gateway.Start();
        var second = await _gateway.Post("/v1/messages", new { user = "alice", text = "once" }, "key-1");
        Assert.Equal(first.Body.ToJsonString(), second.Body.ToJsonString());
        Assert.Equal(422, (await _gateway.Post("/v1/messages", new { user = "alice", text = "twice" }, "key-1")).Status);
        await using var phone = await Phone.Connect(_gateway, "phone", "alice");
        Assert.Equal("once", (await phone.Next("the message")).Text);
        await _gateway.Post("/v1/messages", new { user = "alice", text = "end" });
        Assert.Equal("end", (await phone.Next("nothing in between")).Text);
    }

    [Fact]
    public async Task An_idempotency_key_of_the_administration_gives_the_same_secrets_again()
    {
        var first = await _gateway.Post("/v1/apps", new { id = "shop" }, "create-shop", admin: true);
        Assert.Equal(201, first.Status);
        var again = await _gateway.Post("/v1/apps", new { id = "shop" }, "create-shop", admin: true);
        Assert.Equal((first.Status, first.Body.ToJsonString()), (again.Status, again.Body.ToJsonString()));
        Assert.Equal(422, (await _gateway.Post("/v1/apps", new { id = "other" }, "create-shop", admin: true)).Status);
    }

    [Fact]
    public async Task Upstream_messages_and_presence_reach_the_webhook_signed_and_survive_a_crash()
    {
        await using var receiver = await WebhookReceiver.Start();
        receiver.Status = 503;
        var (status, app) = await _gateway.Post("/v1/apps",
            new { id = "shop", webhook = new { url = receiver.Url, presence = true } }, admin: true);
        Assert.Equal(201, status);
        receiver.Secret = app["webhookSecret"]!.GetValue<string>();
        var key = new TicketKey(app["ticketKey"]!["id"]!.GetValue<uint>(), System.Buffers.Text.Base64Url.DecodeFromChars(app["ticketKey"]!["secret"]!.GetValue<string>()));
        await using var client = new PushClient(new PushClientOptions { Dispatcher = _gateway.Dispatcher, Device = "till", BackoffBase = TimeSpan.FromMilliseconds(50), BackoffCap = TimeSpan.FromMilliseconds(400) });
        client.OnMessage(_ => { });
        client.Bind("shop", "carol", _ => ValueTask.FromResult(Ticket.IssueText(key, "shop", "carol", DateTimeOffset.UtcNow.AddHours(1))));
        await client.StartAsync();
        await client.SendAsync("shop", "carol", "order", "one coffee").WaitAsync(Waiting.Limit);
        // SEND_OK came, so the message is stored, although the webhook refuses it still.
        await receiver.Next("a first try");
        await _gateway.Kill();
        receiver.Status = 200;
        await _gateway.Start();
        var types = new HashSet<string>();
        while (!types.IsSupersetOf(["upstream", "presence.online"]))
        {
            var (id, signatureOk, body) = await receiver.Next("the events after the crash");
            Assert.True(signatureOk, $"the signature of {id} is wrong");
            types.Add(body["type"]!.GetValue<string>());
            if (body["type"]!.GetValue<string>() == "upstream")
                Assert.Equal("one coffee", body["data"]!["text"]!.GetValue<string>());
        }
    }

    [Fact]
    public async Task Ctrl_C_drains_and_a_restart_finds_everything()
    {
        await using var phone = await Phone.Connect(_gateway, "phone", "alice");
        await _gateway.Post("/v1/messages", new { user = "bob", text = "kept" });
        _gateway.Process.Signal(2);
        Assert.Equal(0, await _gateway.Process.Exit(TimeSpan.FromSeconds(30)));
        await Waiting.Until(() => phone.States.Any(state => state.Reason == ReasonCode.Draining), "the phone is told to come back");
        await _gateway.Start();
        await using var other = await Phone.Connect(_gateway, "other", "bob");
        Assert.Equal("kept", (await other.Next("the message from before")).Text);
        await _gateway.Post("/v1/messages", new { user = "alice", text = "welcome back" });
        Assert.Equal("welcome back", (await phone.Next("the phone has come back by itself")).Text);
    }

    [Fact]
    public async Task A_second_process_on_the_same_data_is_refused_with_a_clear_error()
    {
        var ports = FreePorts.Take(3);
        using var second = ChildProcess.Start("dotnet",
        [
            Path.Combine(Gateway.Root, $"Standalone/bin/{Gateway.Configuration}/net10.0/PushSystem.Standalone.dll"), "--data", _gateway.Data,
            "--api", $"127.0.0.1:{ports[0]}", "--dispatcher", $"127.0.0.1:{ports[1]}", "--room", $"127.0.0.1:{ports[2]}",
        ]);
        Assert.Equal(1, await second.Exit(TimeSpan.FromSeconds(30)));
        Assert.Contains(_gateway.Data, second.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", second.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--api", "nonsense", "--api")]
    [InlineData("--room", "127.0.0.1:70000", "--room")]
    [InlineData("--drain-seconds", "9999", "0 to 600")]
    [InlineData("--log", "Loud", "Loud")]
    public async Task A_wrong_argument_is_named(string option, string value, string expected)
    {
        using var process = ChildProcess.Start("dotnet",
            [Path.Combine(Gateway.Root, $"Standalone/bin/{Gateway.Configuration}/net10.0/PushSystem.Standalone.dll"), option, value]);
        Assert.Equal(1, await process.Exit(TimeSpan.FromSeconds(30)));
        Assert.Contains(expected, process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_taken_port_is_named()
    {
        using var process = ChildProcess.Start("dotnet",
        [
            Path.Combine(Gateway.Root, $"Standalone/bin/{Gateway.Configuration}/net10.0/PushSystem.Standalone.dll"),
            "--data", Path.Combine(_gateway.Data, "other"), "--api", $"127.0.0.1:{FreePorts.Take(1)[0]}",
            "--dispatcher", $"127.0.0.1:{FreePorts.Take(1)[0]}", "--room", $"127.0.0.1:{_gateway.RoomPort}",
        ]);
        Assert.Equal(1, await process.Exit(TimeSpan.FromSeconds(30)));
        Assert.Contains(_gateway.RoomPort.ToString(System.Globalization.CultureInfo.InvariantCulture), process.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Garbage_on_the_room_s_port_harms_nobody()
    {
        await using var phone = await Phone.Connect(_gateway, "phone", "alice");
        var random = new Random(7);
        for (var i = 0; i < 200; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(IPAddress.Loopback, _gateway.RoomPort);
            var bytes = new byte[random.Next(1, 2_000)];
            random.NextBytes(bytes);
            if (i % 2 == 0)
                "PUSH\u0001\u0001"u8.CopyTo(bytes.AsSpan().Length >= 6 ? bytes : bytes = new byte[6]);
            try
            {
                await socket.SendAsync(bytes);
            }
            catch (SocketException)
            {
                // Closed already: the first bytes were wrong.
            }
        }
        await _gateway.Post("/v1/messages", new { user = "alice", text = "still here" });
        Assert.Equal("still here", (await phone.Next("the push")).Text);
    }

    [Fact]
    public async Task The_API_document_its_page_health_and_metrics_are_served()
    {
        var document = await _gateway.Get("/openapi/v1.json");
        Assert.Equal(200, document.Status);
        foreach (var path in new[] { "/v1/messages", "/v1/messages/batch", "/v1/broadcasts", "/v1/tickets", "/v1/users/{user}", "/v1/apps" })
            Assert.NotNull(document.Body["paths"]![path]);
        Assert.Contains("swagger", await _gateway.Http.GetStringAsync("/docs/index.html"), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(HttpStatusCode.OK, (await _gateway.Http.GetAsync("/health/ready")).StatusCode);
        Assert.Contains("push_room_connections", await _gateway.Http.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_API_is_not_reachable_through_the_dispatcher_s_port()
    {
        using var http = new HttpClient { BaseAddress = _gateway.Dispatcher };
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/v1/users/alice")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("/metrics")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await http.GetAsync("/v1/route")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _gateway.Http.GetAsync("/v1/route")).StatusCode);
    }

    private static async Task Eventually(Func<Task<bool>> condition, string phase)
    {
        using var limit = new CancellationTokenSource(Waiting.Limit);
        while (!await condition())
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"'{phase}' did not happen");
            await Task.Delay(20, CancellationToken.None);
        }
    }
}
