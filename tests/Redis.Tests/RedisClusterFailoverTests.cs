using PushSystem.Redis.Tests.Support;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Redis.Tests;

/// <summary>A master of a cluster dies and its replica takes over by itself.</summary>
public sealed class RedisClusterFailoverTests(ThreeMasters masters) : IClassFixture<ThreeMasters>
{
    [Fact]
    public async Task The_replica_that_took_over_is_found_gets_the_scripts_and_stands_on_other_data()
    {
        var master = masters.Cluster.Masters[0];
        await using var replica = await RedisServer.StartAsync(
            "--cluster-enabled", "yes", "--cluster-port", $"{FreePorts.Take(1)[0]}", "--cluster-node-timeout", "2000",
            "--cluster-require-full-coverage", "no");
        await RedisCli.RunAsync(
            master.Port, "--cluster", "add-node", replica.EndPoint, master.EndPoint, "--cluster-slave", "--cluster-master-id",
            (await master.CliAsync("cluster", "myid")).Trim());
        await using var link = await Links.OpenAsync(masters.Cluster.EndPoints);
        var keys = Enumerable.Range(0, 60).Select(i => $"{{failover{i}}}").ToArray();
        await Task.WhenAll(keys.Select(key => link.RunAsync(Links.Set, key, key)));
        var before = await Task.WhenAll(keys.Select(key => link.DataIdAsync(key, default).AsTask()));
        while (!(await replica.CliAsync("info", "replication")).Contains("master_link_status:up", StringComparison.Ordinal)
            || await replica.CliAsync("dbsize") != await master.CliAsync("dbsize"))
        {
            await Task.Yield();
        }
        await master.Kill();

        foreach (var key in keys)
            Assert.Equal(key, await link.WhenBackAsync(Links.Get, key));
        foreach (var key in keys)
            Assert.Equal("1", await link.RunAsync(Links.Set, key, "new"));
        var after = await Task.WhenAll(keys.Select(key => link.DataIdAsync(key, default).AsTask()));
        var moved = before.Zip(after).Where(pair => pair.First != pair.Second).ToArray();
        Assert.InRange(moved.Length, 5, 40);
        Assert.Single(moved.Select(pair => pair.First).Distinct());
        Assert.Single(moved.Select(pair => pair.Second).Distinct());
    }
}
