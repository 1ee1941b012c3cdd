using System.Globalization;
using Xunit;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>
/// The promise of a cluster: what was accepted as stored or durable arrives, in order, once, whichever process dies. Nodes of every role
/// are killed in turn while the load never stops, and started again after a random time. PUSH_CLUSTER_KILLS sets the number of kills
/// (default 12), PUSH_KILL_SEED repeats a run.
/// </summary>
[Collection("cluster")]
public sealed class ClusterKillTests(ITestOutputHelper output)
{
    private static readonly string[] Roles = ["room", "center", "register", "saver", "coordinator", "dispatcher"];

    [Fact]
    public async Task Nothing_accepted_is_lost_reordered_or_repeated_when_nodes_of_every_role_are_killed_in_turn()
    {
        var kills = Setting("PUSH_CLUSTER_KILLS", 12);
        var seed = Setting("PUSH_KILL_SEED", Random.Shared.Next(1_000_000));
        output.WriteLine($"seed {seed}, {kills} kills");
        var random = new Random(seed);
        await using var cluster = await TestCluster.StartAsync();
        await using var load = await ClusterLoad.StartAsync(cluster, seed, broadcasts: true, "stored", "durable");
        for (var kill = 0; kill < kills; kill++)
        {
            await load.MoreAsync(random.Next(50, 400), $"load before kill {kill}");
            var node = cluster[$"{Roles[kill % Roles.Length]}-{random.Next(1, 3)}"];
            await node.Kill();
            // From at once to longer than its lease: the others notice in the one case and not in the other.
            await Task.Delay(random.Next(0, cluster.LeaseSeconds * 1_500));
            await node.StartAsync();
        }
        await load.MoreAsync(200, "load after the last kill");
        await load.DrainAsync();
        var result = load.Load.Checker.Evaluate();
        output.WriteLine($"{kills} kills: {result}");
        Assert.True(result.Ok, result.ToString());
        Assert.Empty(load.Load.Resets);
    }

    private static int Setting(string name, int value) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var set) ? set : value;
}
