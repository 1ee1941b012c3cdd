using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using PushSystem.Client;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Integration.Tests;

/// <summary>
/// The promise of the product: what was accepted as durable arrives, in order, once, however often the process dies. The load
/// never stops; SIGKILL comes after a random number of accepted messages. PUSH_KILL_CYCLES sets the number of kills (default 20),
/// PUSH_KILL_SEED repeats a run.
/// </summary>
public sealed class KillTests(ITestOutputHelper output)
{
    private const int Clients = 8, UsersPerClient = 4, Senders = 4, BatchSize = 12;
    // Users who get one message in the whole run, while their device comes back from a kill: no later message can repair what was
    // missed between reading the mailbox and being registered.
    private const int QuietPerKill = 6;

    [Fact]
    public async Task Nothing_durable_is_lost_reordered_or_repeated_when_the_process_is_killed_at_random_moments()
    {
        var cycles = Setting("PUSH_KILL_CYCLES", 20);
        var seed = Setting("PUSH_KILL_SEED", Random.Shared.Next());
        output.WriteLine($"seed {seed}, {cycles} kills");
        var random = new Random(seed);
        var checker = new DeliveryChecker();
        await using var gateway = await Gateway.StartNew("--no-demo-device");
        // The bound of a mailbox is not what is tested here: a device that stays away for long must not lose messages to it.
        var (status, app) = await gateway.Patch("/v1/apps/demo", new { limits = new { mailboxMessages = 100_000 } });
        Assert.True(status == 200, app.ToJsonString());
        var resets = new ConcurrentQueue<StreamReset>();
        var clients = new List<PushClient>();
        try
        {
            var users = Enumerable.Range(0, Clients * UsersPerClient).Select(i => $"user-{i}").ToArray();
            foreach (var group in users.Chunk(UsersPerClient))
                clients.Add(await StartClient(gateway, checker, resets, group, clients.Count));

            var quiet = Enumerable.Range(0, cycles * QuietPerKill).Select(i => $"quiet-{i}").ToArray();
            // Binding 16 users at most, a device takes a share of them.
            foreach (var group in quiet.Chunk(16))
                clients.Add(await StartClient(gateway, checker, resets, group, clients.Count));

            using var stop = new CancellationTokenSource();
            string[] everybody = [.. users, .. quiet];
            var senders = Enumerable.Range(0, Senders).Select(i => SendAsync(gateway, checker, users, everybody, i, seed + i, stop.Token)).ToArray();
            for (var cycle = 0; cycle < cycles; cycle++)
            {
                var target = checker.AcceptedCount + random.Next(20, 1_500);
                await Until(() => checker.AcceptedCount >= target || senders.Any(sender => sender.IsCompleted), $"load of cycle {cycle}");
                await gateway.Kill();
                await gateway.Start();
                foreach (var user in quiet.Skip(cycle * QuietPerKill).Take(QuietPerKill))
                {
                    await Task.Delay(random.Next(100));
                    checker.Sent($"{user}-only", user);
                    var message = await Answer(gateway, "/v1/messages", new { user, text = $"{user}-only" }, $"{user}-only");
                    checker.Accepted($"{user}-only", user, message["id"]!.GetValue<string>());
                }
            }
            await stop.CancelAsync();
            await Task.WhenAll(senders);
            try
            {
                await Until(checker.AllReceived, "every accepted message arrives");
            }
            catch (TimeoutException)
            {
                output.WriteLine($"{checker.Evaluate()}\nbroadcasts: {(await gateway.Get("/v1/broadcasts?limit=20")).Body.ToJsonString()}\nlog: {gateway.Process.Output}");
                throw;
            }
        }
        finally
        {
            foreach (var client in clients)
                await client.DisposeAsync();
        }
        var result = checker.Evaluate();
        output.WriteLine($"{cycles} kills: {result}");
        Assert.True(result.Ok, result.ToString());
        Assert.Empty(resets);
        Assert.True(result.Accepted > cycles * 20, $"only {result.Accepted} messages were accepted");
    }

    private static async Task<PushClient> StartClient(
        Gateway gateway, DeliveryChecker checker, ConcurrentQueue<StreamReset> resets, string[] users, int number)
    {
        var client = new PushClient(new PushClientOptions
        {
            // Not through the dispatcher, whose back-off for real phones would keep the devices away for most of the run.
            Addresses = [$"127.0.0.1:{gateway.RoomPort}"],
            Device = $"device-{number}",
            StorePath = Path.Combine(gateway.Data, $"device-{number}.state"),
            BackoffBase = TimeSpan.FromMilliseconds(50),
            BackoffCap = TimeSpan.FromMilliseconds(400),
        });
        client.OnMessage(message =>
        {
            var key = message.Stream == StreamKind.Broadcast ? $"{message.Text}@{message.User}" : message.Text;
            checker.Received(message.User, message.Id, key);
        });
        client.StreamReset += resets.Enqueue;
        var bindings = users.Select(user => client.Bind("demo", user, async _ => await gateway.Ticket(user))).ToArray();
        await client.StartAsync();
        // A user gets broadcasts from the first time on that it was bound.
        foreach (var binding in bindings)
            await Waiting.For(binding.WaitBoundAsync(), $"{binding.User} is bound");
        return client;
    }

    // Sends single messages, batches and now and then a broadcast; repeats each with its idempotency key until it has an answer.
    private static async Task SendAsync(Gateway gateway, DeliveryChecker checker, string[] users, string[] everybody, int sender, int seed, CancellationToken stop)
    {
        var random = new Random(seed);
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var key = $"s{sender}-{i}";
            var kind = random.Next(100);
            if (kind == 0 && sender == 0)
            {
                foreach (var user in everybody)
                    checker.Sent($"{key}@{user}", user);
                var task = await Answer(gateway, "/v1/broadcasts", new { text = key }, key);
                foreach (var user in everybody)
                    checker.Accepted($"{key}@{user}", user, task["id"]!.GetValue<string>());
            }
            else if (kind < 50)
            {
                var user = users[random.Next(users.Length)];
                checker.Sent(key, user);
                var message = await Answer(gateway, "/v1/messages", new { user, text = key, level = "durable" }, key);
                checker.Accepted(key, user, message["id"]!.GetValue<string>());
            }
            else
            {
                var messages = Enumerable.Range(0, BatchSize).Select(n => (User: users[random.Next(users.Length)], Text: $"{key}-{n}")).ToArray();
                foreach (var (user, text) in messages)
                    checker.Sent(text, user);
                var body = new { level = "durable", messages = messages.Select(message => new { user = message.User, text = message.Text }) };
                var reply = await Answer(gateway, "/v1/messages/batch", body, key);
                var results = reply["messages"]!.AsArray();
                for (var n = 0; n < messages.Length; n++)
                    checker.Accepted(messages[n].Text, messages[n].User, results[n]!["id"]!.GetValue<string>());
            }
        }
    }

    private static async Task<JsonNode> Answer(Gateway gateway, string path, object body, string key)
    {
        while (true)
        {
            try
            {
                var (status, reply) = await gateway.Post(path, body, key);
                if (status == 202)
                    return reply;
                if (status is not (503 or 429))
                    throw new InvalidOperationException($"{path} answered {status}: {reply}");
            }
            catch (HttpRequestException)
            {
                // The process was killed: the outcome is unknown, and the key makes the repetition safe.
            }
            catch (TaskCanceledException)
            {
                // No answer in time: unknown as well.
            }
            await Task.Delay(10);
        }
    }

    private static async Task Until(Func<bool> condition, string phase)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        while (!condition())
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"'{phase}' did not happen");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    private static int Setting(string name, int value) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var set) ? set : value;
}
