using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using PushSystem.Client;
using PushSystem.Protocol;
using PushSystem.TestSupport;

namespace PushSystem.Integration.Tests;

/// <summary>
/// Load that never stops while something is killed: single messages, batches and broadcasts, each repeated under its idempotency key
/// until it has an answer, and devices that hand to the checker what their applications see.
/// Owns its devices; the senders run on pool threads until their token is cancelled; the test disposes it.
/// </summary>
internal sealed class Load(IGateway gateway, Func<string, object, string, Task<(int Status, JsonNode Body)>> post) : IAsyncDisposable
{
    private const int BatchSize = 12;
    private static readonly TimeSpan UntilLimit = TimeSpan.FromSeconds(120);

    private readonly List<PushClient> _devices = [];

    public DeliveryChecker Checker { get; } = new();
    public ConcurrentQueue<StreamReset> Resets { get; } = new();

    /// <summary>Levels of unicast messages; each is chosen at random.</summary>
    public string[] Levels { get; init; } = ["durable"];

    /// <summary>Sends a broadcast about every hundredth time.</summary>
    public bool Broadcasts { get; init; } = true;

    /// <summary>A device at these addresses; returns when its users are bound: from then on broadcasts reach them.</summary>
    public async Task AddDeviceAsync(IReadOnlyList<string> addresses, string[] users)
    {
        var client = new PushClient(new PushClientOptions
        {
            // Not through the dispatcher, whose back-off for real phones would keep the devices away for most of the run.
            Addresses = addresses,
            Device = $"device-{_devices.Count}",
            StorePath = Path.Combine(gateway.Data, $"device-{_devices.Count}.state"),
            BackoffBase = TimeSpan.FromMilliseconds(50),
            BackoffCap = TimeSpan.FromMilliseconds(400),
        });
        _devices.Add(client);
        client.OnMessage(message =>
        {
            var key = message.Stream == StreamKind.Broadcast ? $"{message.Text}@{message.User}" : message.Text;
            Checker.Received(message.User, message.Id, key);
        });
        client.StreamReset += Resets.Enqueue;
        var bindings = users.Select(user => client.Bind("demo", user, async _ => await gateway.Ticket(user))).ToArray();
        await client.StartAsync();
        foreach (var binding in bindings)
            await Waiting.For(binding.WaitBoundAsync(), $"{binding.User} is bound");
    }

    /// <summary>Sends to <paramref name="users"/> until stopped; broadcasts go to <paramref name="everybody"/>.</summary>
    public async Task SendAsync(string[] users, string[] everybody, int sender, int seed, CancellationToken stop)
    {
        var random = new Random(seed);
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var key = $"s{sender}-{i}";
            var kind = random.Next(100);
            if (kind == 0 && sender == 0 && Broadcasts)
            {
                foreach (var user in everybody)
                    Checker.Sent($"{key}@{user}", user);
                var task = await AnswerAsync("/v1/broadcasts", new { text = key }, key);
                foreach (var user in everybody)
                    Checker.Accepted($"{key}@{user}", user, task["id"]!.GetValue<string>());
            }
            else if (kind < 50)
            {
                await SendOneAsync(users[random.Next(users.Length)], key, Levels[random.Next(Levels.Length)]);
            }
            else
            {
                var messages = Enumerable.Range(0, BatchSize).Select(n => (User: users[random.Next(users.Length)], Text: $"{key}-{n}")).ToArray();
                foreach (var (user, text) in messages)
                    Checker.Sent(text, user);
                var body = new { level = Levels[random.Next(Levels.Length)], messages = messages.Select(message => new { user = message.User, text = message.Text }) };
                var reply = await AnswerAsync("/v1/messages/batch", body, key);
                var results = reply["messages"]!.AsArray();
                for (var n = 0; n < messages.Length; n++)
                    Checker.Accepted(messages[n].Text, messages[n].User, results[n]!["id"]!.GetValue<string>());
            }
        }
    }

    /// <summary>Sends one message and waits until it is accepted.</summary>
    public async Task SendOneAsync(string user, string text, string level = "durable")
    {
        Checker.Sent(text, user);
        var message = await AnswerAsync("/v1/messages", new { user, text, level }, text);
        Checker.Accepted(text, user, message["id"]!.GetValue<string>());
    }

    /// <summary>Waits for a state that raises no event.</summary>
    public static async Task Until(Func<bool> condition, string phase)
    {
        using var limit = new CancellationTokenSource(UntilLimit);
        while (!condition())
        {
            if (limit.IsCancellationRequested)
                throw new TimeoutException($"'{phase}' did not happen");
            await Task.Delay(20, CancellationToken.None);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var device in _devices)
            await device.DisposeAsync();
    }

    private async Task<JsonNode> AnswerAsync(string path, object body, string key)
    {
        while (true)
        {
            try
            {
                var (status, reply) = await post(path, body, key);
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
}
