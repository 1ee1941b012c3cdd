using PushSystem.Cluster.Nodes;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Real;

/// <summary>A node's key in a real etcd.</summary>
public sealed class RegistrationTests(SharedEtcd etcd) : IClassFixture<SharedEtcd>, IAsyncDisposable
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly RealWorld _world = new(etcd.Server.Endpoint);

    [Fact]
    public async Task A_node_is_seen_with_the_create_revision_of_its_key_and_gone_when_it_stops()
    {
        var client = _world.Client();
        var directory = _world.Nodes(client);
        var node = _world.Node(client, _world.Token());
        var incarnation = await Waiting.For(node.Registered, "the registration");
        var seen = await RealWorld.When(directory, nodes => nodes.Count == 1, "the node in the view");
        Assert.Equal((incarnation, incarnation, incarnation), (seen[0].Incarnation, node.Incarnation, node.LastIncarnation));
        Assert.Equal((await client.GetAsync(_world.Keys.Node("room", "r1"), Never))!.CreateRevision, incarnation);
        await node.DisposeAsync();
        await RealWorld.When(directory, nodes => nodes.Count == 0, "the node gone from the view");
        Assert.Equal(0, node.Incarnation);
    }

    [Fact]
    public async Task A_lease_revoked_from_outside_gives_a_new_incarnation_at_once()
    {
        var client = _world.Client();
        var node = _world.Node(client, _world.Token(), leaseSeconds: 300);
        var first = await Waiting.For(node.Registered, "the registration");
        var renewal = RealWorld.Renewal(node);
        var lease = (await client.GetAsync(_world.Keys.Node("room", "r1"), Never))!.Lease;
        // The next keepalive would be due after 100 s: the watch of the own key has to notice.
        await client.RevokeAsync(lease, Never);
        var second = await Waiting.For(renewal, "the new incarnation");
        Assert.True(second > first);
        Assert.Equal((second, second), (node.Incarnation, node.LastIncarnation));
        Assert.NotEqual(lease, (await client.GetAsync(_world.Keys.Node("room", "r1"), Never))!.Lease);
    }

    [Fact]
    public async Task A_key_removed_from_outside_gives_a_new_incarnation_and_a_new_lease()
    {
        var client = _world.Client();
        var node = _world.Node(client, _world.Token(), leaseSeconds: 300);
        await Waiting.For(node.Registered, "the registration");
        var renewal = RealWorld.Renewal(node);
        var before = (await client.GetAsync(_world.Keys.Node("room", "r1"), Never))!;
        await client.CommitAsync(new([], [new(before.Key, null, 0)]), Never);
        var second = await Waiting.For(renewal, "the new incarnation");
        var after = (await client.GetAsync(before.Key, Never))!;
        Assert.Equal(second, after.CreateRevision);
        Assert.NotEqual(before.Lease, after.Lease);
        // Whatever else hung on the old lease went with it.
        Assert.False(await client.RevokeAsync(before.Lease, Never));
    }

    [Fact]
    public async Task A_second_node_with_the_same_id_is_refused_and_the_first_is_not_touched()
    {
        var client = _world.Client();
        var first = _world.Node(client, _world.Token("one"));
        var incarnation = await Waiting.For(first.Registered, "the registration");
        var second = _world.Node(_world.Client(), _world.Token("two"), host: "10.0.0.2");
        var exception = await Assert.ThrowsAsync<DuplicateNodeException>(() => Waiting.For(second.Registered, "the refusal"));
        Assert.Equal(("room", "r1"), (exception.Role, exception.Id));
        Assert.Contains("room/r1", exception.Message);
        Assert.Contains("10.0.0.1:7000", exception.Message);
        Assert.Equal(0, second.Incarnation);
        Assert.Equal(incarnation, first.Incarnation);
        Assert.Equal(incarnation, (await client.GetAsync(_world.Keys.Node("room", "r1"), Never))!.CreateRevision);
    }

    [Fact]
    public async Task A_restarted_process_takes_over_its_own_key_at_once_with_a_new_incarnation()
    {
        var client = _world.Client();
        var (killed, candidacy) = await LeaveKey(client, "10.0.0.1");
        var directory = _world.Nodes(client);
        await RealWorld.When(directory, nodes => nodes.Count == 1, "the dead process's key");
        var node = _world.Node(client, _world.Token(), port: 7001);
        var incarnation = await Waiting.For(node.Registered, "the registration, long before the old lease of 300 s ends");
        Assert.True(incarnation > killed);
        var seen = await RealWorld.When(directory, nodes => nodes.Count == 1 && nodes[0].Incarnation == incarnation, "the new process in the view");
        Assert.Equal(7001, seen[0].Port);
        // Everything that hung on the dead process's lease is gone too.
        Assert.Null(await client.GetAsync(candidacy, Never));
    }

    [Fact]
    public async Task A_copied_data_folder_on_another_machine_is_a_duplicate()
    {
        var client = _world.Client();
        var (running, _) = await LeaveKey(client, "10.0.0.9");
        var node = _world.Node(client, _world.Token(), host: "10.0.0.1");
        var exception = await Assert.ThrowsAsync<DuplicateNodeException>(() => Waiting.For(node.Registered, "the refusal"));
        Assert.Contains("10.0.0.9", exception.Message);
        Assert.Equal(running, (await client.GetAsync(_world.Keys.Node("room", "r1"), Never))!.CreateRevision);
    }

    [Fact]
    public async Task A_process_that_was_replaced_by_a_newer_one_of_its_node_stays_out()
    {
        var client = _world.Client();
        var old = _world.Node(client, _world.Token());
        var replaced = new TaskCompletionSource<DuplicateNodeException>(TaskCreationOptions.RunContinuationsAsynchronously);
        old.Replaced += exception => replaced.TrySetResult(exception);
        await Waiting.For(old.Registered, "the first registration");
        // On one machine the file's lock prevents this; a folder on the network may not lock.
        File.WriteAllBytes(_world.TokenFile("copy"), await ReadLocked(_world.TokenFile("r1")));
        var next = _world.Node(_world.Client(), _world.Token("copy"));
        var incarnation = await Waiting.For(next.Registered, "the second registration");
        Assert.Contains("newer process", (await Waiting.For(replaced.Task, "the end of the first")).Message);
        Assert.Equal(0, old.Incarnation);
        Assert.Equal(incarnation, next.Incarnation);
    }

    [Fact]
    public async Task Descriptions_are_written_soon_the_last_one_counts_and_they_survive_a_loss()
    {
        var client = _world.Client();
        var directory = _world.Nodes(client);
        var node = _world.Node(client, _world.Token());
        var first = await Waiting.For(node.Registered, "the registration");
        for (var i = 1; i <= 200; i++)
            node.Describe(new NodeInfo { Id = "r1", Role = "room", Host = "10.0.0.1", Port = 7000 + i, Draining = true });
        var seen = await RealWorld.When(directory, nodes => nodes.Count == 1 && nodes[0].Port == 7200, "the last description");
        Assert.Equal((first, true), (seen[0].Incarnation, seen[0].Draining));
        var entry = (await client.GetAsync(_world.Keys.Node("room", "r1"), Never))!;
        var renewal = RealWorld.Renewal(node);
        await client.RevokeAsync(entry.Lease, Never);
        var second = await Waiting.For(renewal, "the new incarnation");
        seen = await RealWorld.When(directory, nodes => nodes.Count == 1 && nodes[0].Incarnation == second, "the new key");
        Assert.Equal(7200, seen[0].Port);
    }

    [Fact]
    public async Task The_last_sign_of_a_killed_process_ends_with_its_lease()
    {
        var client = _world.Client();
        var directory = _world.Nodes(client);
        var lease = await client.GrantAsync(TimeSpan.FromSeconds(1), Never);
        // etcd has a least life time of its own.
        Assert.True(lease.TimeToLive >= TimeSpan.FromSeconds(1));
        using var token = NodeToken.Unsaved();
        var info = new NodeInfo { Id = "r1", Role = "room", Host = "h", Port = 1, Process = token.Process };
        await client.CommitAsync(new([], [new(_world.Keys.Node("room", "r1"), NodeInfoJson.Write(info), lease.Id)]), Never);
        await RealWorld.When(directory, nodes => nodes.Count == 1, "the node");
        await RealWorld.When(directory, nodes => nodes.Count == 0, "the end of its lease");
    }

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    /// <summary>What a process of node r1 that was killed leaves in etcd: its key and others, under a lease that lives on.</summary>
    private async Task<(long Incarnation, string Other)> LeaveKey(Cluster.Etcd.EtcdClient client, string host)
    {
        NodeInfo info;
        using (var token = NodeToken.Open(_world.TokenFile("r1")))
            info = new NodeInfo { Id = "r1", Role = "room", Host = host, Port = 7000, Process = token.Process };
        var lease = await client.GrantAsync(TimeSpan.FromSeconds(300), Never);
        var other = _world.Keys.Election("x") + "dead";
        var reply = await client.CommitAsync(
            new([], [new(_world.Keys.Node("room", "r1"), NodeInfoJson.Write(info), lease.Id), new(other, "x"u8.ToArray(), lease.Id)]), Never);
        return (reply.Revision, other);
    }

    private static async Task<byte[]> ReadLocked(string path)
    {
        using var copy = ChildProcess.Start("cat", [path]);
        return System.Text.Encoding.ASCII.GetBytes(await copy.Line(line => line.Length == 64, "the token") + "\n");
    }
}
