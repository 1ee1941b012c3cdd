namespace PushSystem.Integration.Tests.Cluster;

/// <summary>The load of a fault test on a cluster: devices that know both rooms, senders that ask both centers. Owned by the test.</summary>
internal sealed class ClusterLoad : IAsyncDisposable
{
    private const int Devices = 6, UsersPerDevice = 4, Senders = 3;

    private readonly CancellationTokenSource _stop = new();
    private readonly TestCluster _cluster;
    private Task[] _senders = [];

    private ClusterLoad(TestCluster cluster, string[] levels, bool broadcasts)
    {
        _cluster = cluster;
        Load = new Load(cluster, (path, body, key) => cluster.Post(path, body, key)) { Levels = levels, Broadcasts = broadcasts };
    }

    public Load Load { get; }

    public int Accepted => Load.Checker.AcceptedCount;

    /// <summary>Connects the devices and begins to send.</summary>
    public static async Task<ClusterLoad> StartAsync(TestCluster cluster, int seed, bool broadcasts = true, params string[] levels)
    {
        var load = new ClusterLoad(cluster, levels, broadcasts);
        // The bound of a mailbox is not what is tested here.
        await cluster.Patch("/v1/apps/demo", new { limits = new { mailboxMessages = 100_000, deliveryAttempts = 1_000 } });
        var users = Enumerable.Range(0, Devices * UsersPerDevice).Select(i => $"load-{seed}-{i}").ToArray();
        string[] rooms = [$"127.0.0.1:{cluster.Ports["room-1"].Public}", $"127.0.0.1:{cluster.Ports["room-2"].Public}"];
        foreach (var (index, group) in users.Chunk(UsersPerDevice).Index())
            await load.Load.AddDeviceAsync(index % 2 == 0 ? rooms : [rooms[1], rooms[0]], group);
        load._senders = [.. Enumerable.Range(0, Senders).Select(i => load.Load.SendAsync(users, users, i, seed + i, load._stop.Token))];
        return load;
    }

    /// <summary>Waits until so many further messages were accepted.</summary>
    public async Task MoreAsync(int messages, string phase)
    {
        var target = Accepted + messages;
        await Load.Until(() => Accepted >= target || _senders.Any(sender => sender.IsCompleted), phase);
        Rethrow();
    }

    /// <summary>Stops sending and waits until everything accepted has arrived; the checker's words, which name what is missing if it has not.</summary>
    public async Task DrainAsync(bool underAnyId = false)
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_senders);
        try
        {
            await Load.Until(underAnyId ? Load.Checker.AllContentReceived : Load.Checker.AllReceived, "every accepted message arrives");
        }
        catch (TimeoutException)
        {
            var logs = string.Join('\n', _cluster.Nodes.Select(node => $"--- {node.Id}\n{Tail(node.Output)}"));
            throw new TimeoutException($"{Load.Checker.Evaluate()}\n{logs}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_senders).ContinueWith(static _ => { }, TaskScheduler.Default);
        await Load.DisposeAsync();
        _stop.Dispose();
    }

    private void Rethrow()
    {
        foreach (var sender in _senders.Where(sender => sender.IsFaulted))
            sender.GetAwaiter().GetResult();
    }

    private static string Tail(string text) => string.Join('\n', text.Split('\n').TakeLast(40));
}
