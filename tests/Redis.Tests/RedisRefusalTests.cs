using PushSystem.Redis.Tests.Support;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Redis.Tests;

/// <summary>Servers that refuse.</summary>
public sealed class RedisRefusalTests
{
    [Fact]
    public async Task Out_of_memory_leaves_nothing_done()
    {
        await using var redis = await RedisServer.StartAsync("--maxmemory", "1mb");
        await using var link = await Links.OpenAsync(redis.EndPoint);
        var refusal = await Assert.ThrowsAsync<RedisUnavailableException>(() => link.RunAsync(Links.Append, "key", "x"));

        Assert.True(refusal.IsUndone);
        Assert.Contains("OOM", refusal.Message);
        Assert.Null(await link.RunAsync(Links.Get, "key"));
    }

    [Fact]
    public async Task Too_few_replicas_leave_nothing_done()
    {
        await using var redis = await RedisServer.StartAsync("--min-replicas-to-write", "1");
        await using var link = await Links.OpenAsync(redis.EndPoint);
        var refusal = await Assert.ThrowsAsync<RedisUnavailableException>(() => link.RunAsync(Links.Set, "key", "x"));

        Assert.True(refusal.IsUndone);
        Assert.Contains("NOREPLICAS", refusal.Message);
    }

    [Fact]
    public async Task A_wrong_password_is_an_absence_that_is_said_at_once()
    {
        await using var redis = await RedisServer.StartAsync("--requirepass", "right");
        await using var good = await Links.OpenAsync(redis.EndPoint, options => options.Password = "right");
        await using var bad = await Links.OpenAsync(redis.EndPoint, options => options.Password = "wrong");

        Assert.Equal("1", await good.RunAsync(Links.Set, "key", "x"));
        Assert.True((await Assert.ThrowsAsync<RedisUnavailableException>(() => bad.RunAsync(Links.Set, "key", "y"))).IsUndone);
        Assert.Equal("x", await good.RunAsync(Links.Get, "key"));
    }

    [Fact]
    public async Task A_promoted_replica_is_found_and_stands_on_other_data()
    {
        await using var master = await RedisServer.StartAsync();
        await using var replica = await RedisServer.StartReplicaAsync(master);
        await using var link = await Links.OpenAsync($"{master.EndPoint},{replica.EndPoint}");
        var before = await link.DataIdAsync("key", default);
        await link.RunAsync(Links.Set, "key", "x");
        while (await replica.CliAsync("get", "key") != "x")
            await Task.Yield();
        await replica.CliAsync("replicaof", "no", "one");
        await master.Kill();

        Assert.Equal("1", await link.WhenBackAsync(Links.Set, "other", "y"));
        Assert.Equal("x", await link.RunAsync(Links.Get, "key"));
        Assert.NotEqual(before, await link.DataIdAsync("key", default));
    }
}
