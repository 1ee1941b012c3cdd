using System.Globalization;
using Xunit;

namespace PushSystem.Integration.Tests;

/// <summary>
/// The promise of the product: what was accepted as durable arrives, in order, once, however often the process dies. The load
/// never stops; SIGKILL comes after a random number of accepted messages. PUSH_KILL_CYCLES sets the number of kills (default 20),
/// PUSH_KILL_SEED repeats a run.
/// </summary>
public sealed class KillTests(ITestOutputHelper output)
{
    private const int Clients = 8, UsersPerClient = 4, Senders = 4;
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
        await using var gateway = await Gateway.StartNew("--no-demo-device");
        // The bound of a mailbox is not what is tested here: a device that stays away for long must not lose messages to it.
        var (status, app) = await gateway.Patch("/v1/apps/demo", new { limits = new { mailboxMessages = 100_000 } });
        Assert.True(status == 200, app.ToJsonString());
        await using var load = new Load(gateway, (path, body, key) => gateway.Post(path, body, key));
        var checker = load.Checker;
        string[] address = [$"127.0.0.1:{gateway.RoomPort}"];
        var users = Enumerable.Range(0, Clients * UsersPerClient).Select(i => $"user-{i}").ToArray();
        foreach (var group in users.Chunk(UsersPerClient))
            await load.AddDeviceAsync(address, group);
        var quiet = Enumerable.Range(0, cycles * QuietPerKill).Select(i => $"quiet-{i}").ToArray();
        // Binding 16 users at most, a device takes a share of them.
        foreach (var group in quiet.Chunk(16))
            await load.AddDeviceAsync(address, group);

        using var stop = new CancellationTokenSource();
        string[] everybody = [.. users, .. quiet];
        var senders = Enumerable.Range(0, Senders).Select(i => load.SendAsync(users, everybody, i, seed + i, stop.Token)).ToArray();
        for (var cycle = 0; cycle < cycles; cycle++)
        {
            var target = checker.AcceptedCount + random.Next(20, 1_500);
            await Load.Until(() => checker.AcceptedCount >= target || senders.Any(sender => sender.IsCompleted), $"load of cycle {cycle}");
            await gateway.Kill();
            await gateway.Start();
            foreach (var user in quiet.Skip(cycle * QuietPerKill).Take(QuietPerKill))
            {
                await Task.Delay(random.Next(100));
                await load.SendOneAsync(user, $"{user}-only");
            }
        }
        await stop.CancelAsync();
        await Task.WhenAll(senders);
        try
        {
            await Load.Until(checker.AllReceived, "every accepted message arrives");
        }
        catch (TimeoutException)
        {
            output.WriteLine($"{checker.Evaluate()}\nbroadcasts: {(await gateway.Get("/v1/broadcasts?limit=20")).Body.ToJsonString()}\nlog: {gateway.Process.Output}");
            throw;
        }
        var result = checker.Evaluate();
        output.WriteLine($"{cycles} kills: {result}");
        Assert.True(result.Ok, result.ToString());
        Assert.Empty(load.Resets);
        Assert.True(result.Accepted > cycles * 20, $"only {result.Accepted} messages were accepted");
    }

    private static int Setting(string name, int value) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var set) ? set : value;
}
