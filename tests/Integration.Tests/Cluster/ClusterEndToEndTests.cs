using PushSystem.Client;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>The whole way through two processes of every role: HTTP in at either center, TCP out at either room, and back.</summary>
[Collection("cluster")]
public sealed class ClusterEndToEndTests(ClusterFixture fixture) : IClassFixture<ClusterFixture>
{
    private static int s_number;

    private TestCluster Cluster => fixture.Cluster;
    private string Room1 => $"127.0.0.1:{Cluster.Ports["room-1"].Public}";
    private string Room2 => $"127.0.0.1:{Cluster.Ports["room-2"].Public}";

    [Fact]
    public async Task A_unicast_reaches_users_in_either_room_from_either_center_and_is_acked()
    {
        var (one, two) = (User(), User());
        await using var first = await Phone.ConnectTo(Cluster, Room1, one, one);
        await using var second = await Phone.ConnectTo(Cluster, Room2, two, two);
        for (var center = 0; center < 2; center++)
        {
            foreach (var (user, phone) in new[] { (one, first), (two, second) })
            {
                var (status, reply) = await Cluster.Post("/v1/messages", new { user, text = $"from {center}" }, center: center);
                Assert.True(status == 202, reply.ToJsonString());
                Assert.Equal("stored", reply["level"]?.GetValue<string>());
                var message = await phone.Next($"the push from center {center}");
                Assert.Equal($"from {center}", message.Text);
                Assert.Equal(reply["id"]!.GetValue<string>(), message.Id);
                await Eventually(async () => (await Cluster.Get($"/v1/users/{user}/messages/{message.Id}")).Body["state"]?.GetValue<string>() == "acked", "acked");
            }
        }
    }

    [Fact]
    public async Task Messages_to_an_offline_user_wait_and_arrive_in_order_at_the_login()
    {
        var user = User();
        for (var i = 0; i < 20; i++)
            Assert.Equal(202, (await Cluster.Post("/v1/messages", new { user, text = $"m{i}", level = i % 2 == 0 ? "stored" : "durable" })).Status);
        var summary = (await Cluster.Get($"/v1/users/{user}")).Body;
        Assert.False(summary["online"]!.GetValue<bool>());
        Assert.Equal(20, summary["mailbox"]!["pending"]!.GetValue<int>());
        await using var phone = await Phone.Connect(Cluster, user, user);
        for (var i = 0; i < 20; i++)
            Assert.Equal($"m{i}", (await phone.Next($"message {i}")).Text);
    }

    [Fact]
    public async Task A_batch_over_many_users_arrives_at_each_in_order()
    {
        string[] users = [.. Enumerable.Range(0, 8).Select(_ => User())];
        await using var first = await Phone.ConnectTo(Cluster, Room1, users[0] + "-d", users[..4]);
        await using var second = await Phone.ConnectTo(Cluster, Room2, users[4] + "-d", users[4..]);
        var messages = Enumerable.Range(0, 200).Select(i => new { user = users[i % 8], text = $"{i}" }).ToArray();
        Assert.Equal(202, (await Cluster.Post("/v1/messages/batch", new { messages })).Status);
        var seen = new Dictionary<string, List<int>>();
        for (var i = 0; i < 200; i++)
        {
            var message = await (i < 100 ? first : second).Next($"message {i}");
            if (!seen.TryGetValue(message.User, out var list))
                seen[message.User] = list = [];
            list.Add(int.Parse(message.Text, System.Globalization.CultureInfo.InvariantCulture));
        }
        for (var u = 0; u < 8; u++)
            Assert.Equal(Enumerable.Range(0, 25).Select(i => (i * 8) + u), seen[users[u]]);
    }

    [Fact]
    public async Task A_broadcast_reaches_both_rooms_now_and_an_offline_user_at_its_login()
    {
        var late = User();
        await using (await Phone.Connect(Cluster, late, late))
        {
            // The user is known from now on.
        }
        var (one, two) = (User(), User());
        await using var first = await Phone.ConnectTo(Cluster, Room1, one, one);
        await using var second = await Phone.ConnectTo(Cluster, Room2, two, two);
        var text = $"to all {User()}";
        var (status, task) = await Cluster.Post("/v1/broadcasts", new { text });
        Assert.True(status == 202, task.ToJsonString());
        Assert.Equal(text, await NextBroadcast(first, text));
        Assert.Equal(text, await NextBroadcast(second, text));
        await using var back = await Phone.Connect(Cluster, late, late);
        Assert.Equal(text, await NextBroadcast(back, text));
        var id = task["id"]!.GetValue<string>();
        await Eventually(async () => (await Cluster.Get($"/v1/broadcasts/{id}")).Body["state"]?.GetValue<string>() == "done", "done");
    }

    [Fact]
    public async Task A_multicast_reaches_exactly_its_users_once()
    {
        string[] users = [.. Enumerable.Range(0, 6).Select(_ => User())];
        await using var first = await Phone.ConnectTo(Cluster, Room1, users[0] + "-d", users[..3]);
        await using var second = await Phone.ConnectTo(Cluster, Room2, users[3] + "-d", users[3..]);
        // Two of the six are not in the list, one is in it twice, and one user is offline.
        var offline = User();
        var (status, task) = await Cluster.Post(
            "/v1/multicasts", new { text = "to some", users = new[] { users[0], users[1], users[3], users[4], users[0], offline } });
        Assert.True(status == 202, task.ToJsonString());
        var id = task["id"]!.GetValue<string>();
        await Eventually(async () => (await Cluster.Get($"/v1/multicasts/{id}")).Body["state"]?.GetValue<string>() == "done", "done");
        var done = (await Cluster.Get($"/v1/multicasts/{id}")).Body;
        Assert.Equal((5, 5), (done["targeted"]!.GetValue<int>(), done["accepted"]!.GetValue<int>()));
        // The mark behind it proves that nothing else was on its way.
        foreach (var user in users)
            Assert.Equal(202, (await Cluster.Post("/v1/messages", new { user, text = "mark" })).Status);
        var seen = new Dictionary<string, List<string>>();
        foreach (var phone in new[] { first, second })
        {
            for (var marks = 0; marks < 3;)
            {
                var message = await phone.Next("multicast or mark");
                if (!seen.TryGetValue(message.User, out var list))
                    seen[message.User] = list = [];
                list.Add(message.Text);
                marks += message.Text == "mark" ? 1 : 0;
            }
        }
        foreach (var user in users)
            Assert.Equal(user == users[2] || user == users[5] ? ["mark"] : ["to some", "mark"], seen[user]);
        await using var back = await Phone.Connect(Cluster, offline, offline);
        Assert.Equal("to some", (await back.Next("the multicast after the login")).Text);
    }

    [Fact]
    public async Task A_transient_message_reaches_only_who_is_online()
    {
        var user = User();
        await using var phone = await Phone.ConnectTo(Cluster, Room2, user, user);
        var online = await Cluster.Post("/v1/messages", new { user, text = "typing", level = "transient" });
        Assert.Equal(200, online.Status);
        Assert.True(online.Body["delivered"]!.GetValue<bool>());
        Assert.True((await phone.Next("the transient push")).IsTransient);
        var offline = await Cluster.Post("/v1/messages", new { user = User(), text = "typing", level = "transient" });
        Assert.False(offline.Body["delivered"]!.GetValue<bool>());
    }

    [Fact]
    public async Task The_status_of_a_user_says_where_it_is()
    {
        var user = User();
        await using var phone = await Phone.ConnectTo(Cluster, Room2, user, user);
        var (status, body) = await Cluster.Get($"/v1/users/{user}");
        Assert.Equal(200, status);
        Assert.True(body["online"]!.GetValue<bool>());
        Assert.Contains("room-2", body.ToJsonString());
    }

    [Fact]
    public async Task A_kicked_user_is_told_why_whichever_room_has_it()
    {
        var (one, two) = (User(), User());
        await using var first = await Phone.ConnectTo(Cluster, Room1, one, one);
        await using var second = await Phone.ConnectTo(Cluster, Room2, two, two);
        foreach (var (user, phone) in new[] { (one, first), (two, second) })
        {
            Assert.Equal(200, (await Cluster.Post($"/v1/users/{user}/kick", new { })).Status);
            await Waiting.Until(() => phone.States.Any(s => s is { State: ClientState.Stopped, Reason: ReasonCode.Kicked }), $"{user} is told");
            await Eventually(async () => !(await Cluster.Get($"/v1/users/{user}")).Body["online"]!.GetValue<bool>(), "offline");
        }
    }

    [Fact]
    public async Task A_login_in_the_other_room_ends_the_session_in_the_first()
    {
        var user = User();
        await using var old = await Phone.ConnectTo(Cluster, Room1, user + "-old", user);
        await using var now = await Phone.ConnectTo(Cluster, Room2, user + "-new", user);
        await Waiting.Until(() => old.States.Any(s => s.State == ClientState.Stopped) || old.Bindings.Any(b => b.State == BindingState.Failed), "the old device is told");
        Assert.Equal(202, (await Cluster.Post("/v1/messages", new { user, text = "where are you" })).Status);
        Assert.Equal("where are you", (await now.Next("the push at the new device")).Text);
    }

    [Fact]
    public async Task One_idempotency_key_at_both_centers_is_one_message()
    {
        var user = User();
        var key = Guid.NewGuid().ToString("N");
        var first = await Cluster.Post("/v1/messages", new { user, text = "once" }, key, center: 0);
        var second = await Cluster.Post("/v1/messages", new { user, text = "once" }, key, center: 1);
        Assert.Equal(202, first.Status);
        Assert.Equal(first.Body["id"]!.GetValue<string>(), second.Body["id"]!.GetValue<string>());
        Assert.Equal(1, (await Cluster.Get($"/v1/users/{user}")).Body["mailbox"]!["pending"]!.GetValue<int>());
        Assert.Equal(422, (await Cluster.Post("/v1/messages", new { user, text = "something else" }, key, center: 1)).Status);
    }

    [Fact]
    public async Task A_message_from_a_phone_reaches_the_webhook_with_a_good_signature()
    {
        await using var business = await WebhookReceiver.Start();
        var app = "up" + Guid.NewGuid().ToString("N")[..8];
        var (status, body) = await Cluster.Post("/v1/apps", new { id = app, webhook = new { url = business.Url, presence = true } }, admin: true, center: 0);
        Assert.True(status == 201, body.ToJsonString());
        business.Secret = body["webhookSecret"]!.GetValue<string>();
        await using var client = new PushClient(new PushClientOptions { Addresses = [Room2], Device = app });
        client.OnMessage(_ => { });
        var key = body["apiKey"]!.GetValue<string>();
        var binding = client.Bind(app, "u", async _ => await TicketAsync(key));
        await client.StartAsync();
        await Waiting.For(binding.WaitBoundAsync(), "bound");
        await Waiting.For(client.SendAsync(app, "u", "chat", "hello business"), "SEND_OK");
        var types = new HashSet<string>();
        while (!types.IsSupersetOf(["upstream", "presence.online"]))
        {
            var (id, signatureOk, item) = await business.Next("upstream message and presence");
            Assert.True(signatureOk, $"the signature of {id} is wrong");
            types.Add(item["type"]!.GetValue<string>());
        }
    }

    [Fact]
    public async Task A_dropped_connection_resumes_and_misses_nothing()
    {
        var user = User();
        await using var proxy = await CuttingProxy.StartAsync(Cluster.Ports["room-1"].Public);
        await using var phone = await Phone.ConnectTo(Cluster, proxy.Address, user, user);
        for (var round = 0; round < 3; round++)
        {
            proxy.CutAll();
            Assert.Equal(202, (await Cluster.Post("/v1/messages", new { user, text = $"round {round}" })).Status);
            Assert.Equal($"round {round}", (await phone.Next($"round {round}")).Text);
        }
        Assert.Empty(phone.Resets);
    }

    [Fact]
    public async Task Either_dispatcher_hands_out_both_rooms()
    {
        using var http = new HttpClient();
        foreach (var dispatcher in new[] { "dispatcher-1", "dispatcher-2" })
        {
            var answer = await http.GetStringAsync($"http://127.0.0.1:{Cluster.Ports[dispatcher].Public}/v1/route?device=x");
            Assert.Contains($"{Cluster.Ports["room-1"].Public}", answer);
            Assert.Contains($"{Cluster.Ports["room-2"].Public}", answer);
        }
    }

    [Fact]
    public async Task Every_node_says_that_it_is_ready()
    {
        using var http = new HttpClient();
        foreach (var (id, ports) in Cluster.Ports)
        {
            using var answer = await http.GetAsync($"http://127.0.0.1:{ports.Http}/health/ready");
            Assert.True(answer.IsSuccessStatusCode, $"{id}: {await answer.Content.ReadAsStringAsync()}");
        }
    }

    private static string User() => $"user-{Interlocked.Increment(ref s_number)}";

    private static async Task Eventually(Func<Task<bool>> condition, string phase)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(started) > Waiting.Limit)
                throw new TimeoutException($"'{phase}' did not happen");
            await Task.Delay(20);
        }
    }

    // Other tests broadcast too.
    private static async Task<string> NextBroadcast(Phone phone, string text)
    {
        while (true)
        {
            var message = await phone.Next($"the broadcast '{text}'");
            if (message.Stream == StreamKind.Broadcast && message.Text == text)
                return message.Text;
        }
    }

    private async Task<string> TicketAsync(string apiKey)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Post, $"http://127.0.0.1:{Cluster.Ports["center-1"].Public}/v1/tickets");
        request.Headers.Authorization = new System.Net.Http.Headers.AuthenticationHeaderValue("Bearer", apiKey);
        request.Content = new StringContent("{\"user\":\"u\"}", System.Text.Encoding.UTF8, "application/json");
        using var response = await http.SendAsync(request);
        return System.Text.Json.Nodes.JsonNode.Parse(await response.Content.ReadAsStringAsync())!["ticket"]!.GetValue<string>();
    }
}
