using System.Globalization;
using System.Text.Json.Nodes;
using PushSystem.Protocol;
using PushSystem.TestSupport;
using Xunit;

namespace PushSystem.Integration.Tests.Cluster;

/// <summary>
/// What the cluster stands on goes away, loses data or tells late, while the load never stops. PUSH_FAULT_SCALE multiplies the outages
/// (default 1: some seconds; 10 gives those of the operations page).
/// </summary>
[Collection("cluster")]
public sealed class ClusterFaultTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly int Scale =
        int.TryParse(Environment.GetEnvironmentVariable("PUSH_FAULT_SCALE"), CultureInfo.InvariantCulture, out var set) ? set : 1;

    private readonly int _seed = Random.Shared.Next(1_000_000);
    private TestCluster _cluster = null!;

    public async ValueTask InitializeAsync() => _cluster = await TestCluster.StartAsync();

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task Redis_killed_and_started_again_loses_nothing()
    {
        await using var load = await ClusterLoad.StartAsync(_cluster, _seed, broadcasts: true, "stored", "durable");
        for (var round = 0; round < 3; round++)
        {
            await load.MoreAsync(200, $"load before kill {round}");
            await _cluster.Redis.RestartAsync();
        }
        await load.MoreAsync(200, "load after the last kill");
        await FinishAsync(load);
        // redis may forget what it has answered a moment before it is killed, when an fsync was under way; that must be told as such.
        Assert.All(load.Load.Resets, reset => Assert.Equal(ResetReason.DataLoss, reset.Reason));
    }

    [Fact]
    public async Task Redis_started_again_empty_loses_nothing_durable_and_finds_its_sessions_again()
    {
        await using var phone = await Phone.Connect(_cluster, "bystander", "bystander");
        await using var load = await ClusterLoad.StartAsync(_cluster, _seed, broadcasts: true, "durable");
        await load.MoreAsync(300, "load before the loss");
        await _cluster.Redis.WipeAndRestartAsync();
        await load.MoreAsync(300, "load after the loss");
        // What landed comes back in a new epoch, so under another id than the one it was accepted with.
        await load.DrainAsync(underAnyId: true);
        var result = load.Load.Checker.Evaluate();
        output.WriteLine($"seed {_seed}: {result}, {result.Contents} different contents, {load.Load.Resets.Count} resets");
        Assert.Empty(result.LostContent);
        Assert.Empty(result.Reordered);
        Assert.Empty(result.Duplicates);
        Assert.Empty(result.SeqReuse);
        Assert.All(load.Load.Resets, reset => Assert.Equal(ResetReason.DataLoss, reset.Reason));
        // Only a session that is registered gets a transient message.
        while (!await DeliveredAsync("bystander"))
            await Task.Delay(50);
        Assert.Equal(1, phone.Logins);
    }

    [Fact]
    public async Task MySql_down_stops_nothing_but_what_must_be_durable()
    {
        await using var load = await ClusterLoad.StartAsync(_cluster, _seed, broadcasts: false, "stored");
        await load.MoreAsync(200, "load before the outage");
        await _cluster.Sql.Kill();
        var started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(3 * Scale))
            await load.MoreAsync(50, "stored messages go on while MySQL is down");
        var (status, _) = await _cluster.Post("/v1/messages", new { user = "u", text = "x", level = "durable" });
        Assert.Equal(503, status);
        await _cluster.Sql.RestartAsync();
        while ((await _cluster.Post("/v1/messages", new { user = "u", text = "x", level = "durable" })).Status != 202)
            await Task.Delay(50);
        await FinishAsync(load);
        Assert.Empty(load.Load.Resets);
    }

    [Fact]
    public async Task Etcd_down_stops_nothing()
    {
        await using var phone = await Phone.Connect(_cluster, "bystander", "bystander");
        await using var load = await ClusterLoad.StartAsync(_cluster, _seed, broadcasts: true, "stored", "durable");
        await load.MoreAsync(200, "load before the outage");
        await _cluster.Etcd.Kill();
        var started = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(_cluster.LeaseSeconds * 2 * Scale))
        {
            await load.MoreAsync(50, "messages are accepted while etcd is down");
            Assert.True(await DeliveredAsync("bystander"), "a session is reached while etcd is down");
        }
        await _cluster.Etcd.RestartAsync();
        await load.MoreAsync(200, "load after the outage");
        await FinishAsync(load);
        Assert.Equal(1, phone.Logins);
        Assert.Empty(load.Load.Resets);
    }

    [Fact]
    public async Task A_lease_revoked_from_outside_costs_a_healthy_room_no_client()
    {
        await using var phone = await Phone.ConnectTo(_cluster, Address("room-1"), "bystander", "bystander");
        var before = await IncarnationAsync("room", "room-1");
        await EtcdctlAsync("lease", "revoke", before.Lease);
        (long Incarnation, string Lease) after;
        while ((after = await IncarnationAsync("room", "room-1")).Incarnation == before.Incarnation)
            await Task.Delay(20);
        while (!await DeliveredAsync("bystander"))
            await Task.Delay(20);
        Assert.True(after.Incarnation > before.Incarnation, $"{after.Incarnation} must be above {before.Incarnation}");
        Assert.Equal(1, phone.Logins);
    }

    [Fact]
    public async Task A_room_paused_for_three_lease_times_fences_itself_and_keeps_its_clients()
    {
        await using var phone = await Phone.ConnectTo(_cluster, Address("room-1"), "bystander", "bystander");
        var before = await IncarnationAsync("room", "room-1");
        _cluster["room-1"].Pause();
        await Task.Delay(TimeSpan.FromSeconds(3 * _cluster.LeaseSeconds));
        Assert.Null((await IncarnationOrNullAsync("room", "room-1"))?.Lease);
        Assert.Equal(202, (await _cluster.Post("/v1/messages", new { user = "bystander", text = "while you slept" })).Status);
        _cluster["room-1"].Continue();
        Assert.Equal("while you slept", (await phone.Next("what came during the pause")).Text);
        while (!await DeliveredAsync("bystander"))
            await Task.Delay(20);
        var after = await IncarnationAsync("room", "room-1");
        Assert.True(after.Incarnation > before.Incarnation, $"{after.Incarnation} must be above {before.Incarnation}");
        Assert.Equal(1, phone.Logins);
    }

    [Fact]
    public async Task A_center_paused_in_the_middle_of_a_multicast_does_nothing_twice_when_it_wakes_up()
    {
        const int Users = 6_000;
        var users = Enumerable.Range(0, Users).Select(i => $"m{_seed}-{i}").ToArray();
        var (status, task) = await _cluster.Post("/v1/multicasts", new { text = "once", users, ratePerSecond = 1_500 }, center: 0);
        Assert.True(status == 202, task.ToJsonString());
        var path = $"/v1/multicasts/{task["id"]!.GetValue<string>()}";
        while ((await _cluster.Get(path, center: 1)).Body["accepted"]!.GetValue<int>() < Users / 10)
            await Task.Delay(20);
        _cluster["center-1"].Pause();
        JsonNode done;
        while ((done = (await _cluster.Get(path, center: 1)).Body)["state"]!.GetValue<string>() != "done")
            await Task.Delay(50);
        _cluster["center-1"].Continue();
        Assert.Equal((Users, Users, 0), (done["targeted"]!.GetValue<int>(), done["accepted"]!.GetValue<int>(), done["refused"]!.GetValue<int>()));
        // What the paused center still wanted to write is refused: nobody has the message twice, and the counts stay.
        await Waiting.Until(() => _cluster["center-1"].Output.Contains("Renewed", StringComparison.OrdinalIgnoreCase)
            || _cluster["center-1"].Output.Split('\n').Count(line => line.Contains("is registered as incarnation", StringComparison.Ordinal)) > 1, "center-1 is back");
        foreach (var user in users.Where((_, i) => i % 97 == 0))
            Assert.Equal(1, (await _cluster.Get($"/v1/users/{user}", center: 1)).Body["mailbox"]!["pending"]!.GetValue<int>());
        Assert.Equal(Users, (await _cluster.Get(path, center: 1)).Body["accepted"]!.GetValue<int>());
    }

    private string Address(string room) => $"127.0.0.1:{_cluster.Ports[room].Public}";

    private async Task FinishAsync(ClusterLoad load)
    {
        await load.DrainAsync();
        var result = load.Load.Checker.Evaluate();
        output.WriteLine($"seed {_seed}: {result}, {load.Load.Resets.Count} resets");
        Assert.True(result.Ok, result.ToString());
    }

    private async Task<bool> DeliveredAsync(string user)
    {
        var (status, reply) = await _cluster.Post("/v1/messages", new { user, text = "are you there", level = "transient" });
        return status == 200 && reply["delivered"]!.GetValue<bool>();
    }

    private async Task<(long Incarnation, string Lease)> IncarnationAsync(string role, string id)
    {
        while (true)
        {
            if (await IncarnationOrNullAsync(role, id) is { } found)
                return found;
            await Task.Delay(20);
        }
    }

    private async Task<(long Incarnation, string Lease)?> IncarnationOrNullAsync(string role, string id)
    {
        var json = JsonNode.Parse(await EtcdctlAsync("get", $"/push/test/nodes/{role}/{id}", "-w", "json"))!;
        return json["kvs"] is JsonArray { Count: 1 } found
            ? (found[0]!["create_revision"]!.GetValue<long>(), found[0]!["lease"]!.GetValue<long>().ToString("x", CultureInfo.InvariantCulture))
            : null;
    }

    private async Task<string> EtcdctlAsync(params string[] arguments)
    {
        using var process = ChildProcess.Start(
            "etcdctl", ["--endpoints", _cluster.Etcd.Endpoint, .. arguments], environment: [KeyValuePair.Create("ETCDCTL_API", "3")]);
        var code = await process.Exit(TimeSpan.FromSeconds(20));
        return code == 0 ? process.Output : throw new InvalidOperationException($"etcdctl {string.Join(' ', arguments)}: {process.Output}");
    }
}
