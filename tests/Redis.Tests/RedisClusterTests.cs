using PushSystem.Redis.Tests.Support;
using StackExchange.Redis;

namespace PushSystem.Redis.Tests;

/// <summary>The link against a real Redis Cluster.</summary>
public sealed class RedisClusterTests(ThreeMasters masters) : IClassFixture<ThreeMasters>
{
    [Fact]
    public async Task Calls_go_where_their_keys_are_and_survive_forgotten_scripts()
    {
        await using var link = await Links.OpenAsync(masters.Cluster.Masters[0].EndPoint);
        for (var round = 0; round < 2; round++)
        {
            foreach (var master in masters.Cluster.Masters)
                await master.CliAsync("script", "flush");
            await Task.WhenAll(Enumerable.Range(0, 300).Select(i => link.RunAsync(Links.Append, $"{{{i}}}:round", "x")));
        }

        var lengths = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => link.RunAsync(Links.Get, $"{{{i}}}:round")));
        Assert.All(lengths, value => Assert.Equal("xx", value));
        foreach (var master in masters.Cluster.Masters)
            Assert.InRange(int.Parse(await master.CliAsync("dbsize")), 50, 200);
    }

    [Fact]
    public async Task Keys_of_different_slots_in_one_script_are_an_error()
    {
        await using var link = await Links.OpenAsync(masters.Cluster.EndPoints);
        await Assert.ThrowsAsync<RedisCommandException>(() => link.EvalAsync(Links.Get, ["a", "b"], [], default));
    }

    [Fact]
    public async Task Each_master_has_its_own_data()
    {
        await using var link = await Links.OpenAsync(masters.Cluster.EndPoints);
        var ids = new HashSet<string>();
        for (var i = 0; i < 64; i++)
            ids.Add(await link.DataIdAsync($"{{{i}}}", default));

        Assert.Equal(3, ids.Count);
    }

    [Fact]
    public async Task A_slot_on_its_way_and_moved_is_followed()
    {
        await using var link = await Links.OpenAsync(masters.Cluster.EndPoints);
        const string Old = "{move}:old", New = "{move}:new";
        await link.RunAsync(Links.Set, Old, "1");
        var before = await link.DataIdAsync(Old, default);
        var slot = await masters.Cluster.Masters[0].CliAsync("cluster", "keyslot", Old);
        var from = masters.Cluster.Masters[0];
        foreach (var master in masters.Cluster.Masters)
        {
            if ((await master.CliAsync("cluster", "countkeysinslot", slot)).Trim() != "0")
                from = master;
        }
        var to = masters.Cluster.Masters.First(master => master != from);
        var fromId = (await from.CliAsync("cluster", "myid")).Trim();
        var toId = (await to.CliAsync("cluster", "myid")).Trim();
        await to.CliAsync("cluster", "setslot", slot, "importing", fromId);
        await from.CliAsync("cluster", "setslot", slot, "migrating", toId);
        await to.CliAsync("script", "flush");

        // Not there any more, or never: ASK leads to the other server, which does not know the script either.
        Assert.Equal("1", await link.RunAsync(Links.Append, New, "x"));
        Assert.Equal("2", await link.RunAsync(Links.Append, New, "x"));
        Assert.Equal("1", await link.RunAsync(Links.Get, Old));
        var split = await Assert.ThrowsAsync<RedisUnavailableException>(() => link.EvalAsync(Links.Get, [Old, New], [], default));
        Assert.True(split.IsUndone);
        await from.CliAsync("migrate", "127.0.0.1", $"{to.Port}", Old, "0", "5000");
        foreach (var master in new[] { to, from }.Concat(masters.Cluster.Masters.Where(master => master != from && master != to)))
            await master.CliAsync("cluster", "setslot", slot, "node", toId);
        await to.CliAsync("script", "flush");

        Assert.Equal("1", await link.WhenBackAsync(Links.Get, Old));
        Assert.Equal("xx", await link.RunAsync(Links.Get, New));
        Assert.NotEqual(before, await link.DataIdAsync(Old, default));
    }

    [Fact]
    public async Task A_dead_master_takes_only_its_own_keys_away()
    {
        await using var link = await Links.OpenAsync(masters.Cluster.EndPoints);
        await Task.WhenAll(Enumerable.Range(0, 100).Select(i => link.RunAsync(Links.Set, $"{{dead{i}}}", i)));
        await masters.Cluster.Masters[2].Kill();
        var served = 0;
        for (var i = 0; i < 100; i++)
        {
            try
            {
                Assert.Equal($"{i}", await link.RunAsync(Links.Get, $"{{dead{i}}}"));
                served++;
            }
            catch (RedisUnavailableException)
            {
                // It was on the dead one.
            }
        }
        Assert.InRange(served, 40, 95);
        await masters.Cluster.Masters[2].RestartAsync();

        // What was written shortly before a kill may be missing: redis holds back its file while it syncs.
        for (var i = 0; i < 100; i++)
            Assert.Equal("1", await link.WhenBackAsync(Links.Set, $"{{dead{i}}}", i));
    }
}
