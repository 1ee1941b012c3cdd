using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Cluster.Tests.Real;

/// <summary>A real etcd that dies, stops, loses its history, or is cut off.</summary>
public sealed class OutageTests
{
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task A_killed_and_restarted_etcd_is_found_again_and_the_node_keeps_its_incarnation()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await using var world = new RealWorld(etcd.Endpoint);
        var client = world.Client();
        var directory = world.Nodes(client);
        var node = world.Node(client, world.Token(), leaseSeconds: 30);
        var incarnation = await Waiting.For(node.Registered, "the registration");
        await RealWorld.When(directory, nodes => nodes.Count == 1, "the node in the view");
        await etcd.Kill();
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await client.GetAsync("/x", Never));
        Assert.False(exception.IsRefused);
        // Without etcd the view stays as it was, and the lease is held up to its deadline.
        Assert.Single(directory.Of("room"));
        Assert.Equal(incarnation, node.Incarnation);
        await etcd.RestartAsync();
        await RealWorld.Put(world.Client(), world.Keys.Node("room", "r2"), """{"id":"r2","role":"room","host":"h","port":1}""");
        await RealWorld.When(directory, nodes => nodes.Count == 2, "the event after the restart");
        Assert.Equal(incarnation, node.Incarnation);
    }

    [Fact]
    public async Task A_stopped_etcd_fences_the_node_after_its_deadline_and_nothing_else()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await using var world = new RealWorld(etcd.Endpoint);
        var client = world.Client();
        var directory = world.Nodes(client);
        var node = world.Node(client, world.Token(), leaseSeconds: 2);
        var incarnation = await Waiting.For(node.Registered, "the registration");
        await RealWorld.When(directory, nodes => nodes.Count == 1, "the node in the view");
        etcd.Stop();
        await Waiting.Until(() => node.Incarnation == 0, "the deadline");
        Assert.Equal(incarnation, node.LastIncarnation);
        Assert.Single(directory.Of("room"));
        etcd.Continue();
        // The lease may have outlived the stop or not: either way the node comes back by itself and the view agrees.
        await Waiting.Until(() => node.Incarnation != 0, "the node's return");
        await RealWorld.When(directory, nodes => nodes.Count == 1 && nodes[0].Incarnation == node.LastIncarnation, "the node in the view again");
        Assert.True(node.LastIncarnation >= incarnation);
    }

    [Fact]
    public async Task What_was_compacted_while_the_watch_was_cut_off_is_healed_by_a_list()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await using var proxy = new TcpProxy(etcd.Endpoint);
        await using var near = new RealWorld(proxy.Endpoint);
        await using var far = new RealWorld(etcd.Endpoint);
        var writer = far.Client();
        // The members announce the address behind the proxy: this client must not find the way around it.
        var client = near.Client(clock: new NoMembers());
        await RealWorld.Put(writer, "/a/1", "x");
        await RealWorld.Put(writer, "/a/2", "x");
        var mirror = near.Owned(client.Mirror("/a/"));
        await RealWorld.When(mirror, snapshot => snapshot.Entries.Count == 2, "the first list");
        proxy.Cut();
        await RealWorld.Put(writer, "/a/3", "x");
        var reply = await writer.CommitAsync(new([], [new("/a/1", null, 0)]), Never);
        await RealWorld.Put(writer, "/a/2", "changed");
        await RealWorld.Post(etcd.Endpoint, "/v3/kv/compaction", new { revision = $"{reply.Revision + 1}", physical = true });
        proxy.Restore();
        var after = await RealWorld.When(mirror, snapshot => snapshot.Entries.Count == 2 && snapshot.Entries.ContainsKey("/a/3"), "the list behind the gap");
        Assert.Equal("changed", System.Text.Encoding.UTF8.GetString(after.Entries["/a/2"].Value.Span));
        Assert.Contains(near.Log.Lines, line => line.Id == 7030 && line.Text.Contains("compacted", StringComparison.Ordinal));
        await RealWorld.Put(writer, "/a/4", "x");
        await RealWorld.When(mirror, snapshot => snapshot.Entries.ContainsKey("/a/4"), "the watch behind the gap");
    }

    [Fact]
    public async Task A_watch_whose_wire_went_dead_is_replaced_on_the_other_way()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await using var proxy = new TcpProxy(etcd.Endpoint);
        await using var other = new TcpProxy(etcd.Endpoint);
        await using var near = new RealWorld(proxy.Endpoint, other.Endpoint);
        await using var far = new RealWorld(etcd.Endpoint);
        var writer = far.Client();
        var client = near.Client(clock: new NoMembers());
        var mirror = near.Owned(client.Mirror("/a/"));
        await Waiting.For(mirror.Ready, "the first list");
        await RealWorld.Put(writer, "/a/1", "x");
        await RealWorld.When(mirror, snapshot => snapshot.Entries.Count == 1, "the event before");
        // Whichever way is in use now: every connection stays open and goes quiet.
        (client.Endpoints.Pick()!.ToString() == proxy.Endpoint ? proxy : other).StopUp();
        await RealWorld.Put(writer, "/a/2", "x");
        await RealWorld.When(mirror, snapshot => snapshot.Entries.Count == 2, "the event that the dead wire swallowed");
    }

    [Fact]
    public async Task A_token_that_a_restart_forgot_is_replaced_and_a_stranger_is_refused()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/user/add", new { name = "root", password = "top" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/role/add", new { name = "root" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/user/grant", new { user = "root", role = "root" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/enable", new { });
        await using var world = new RealWorld(etcd.Endpoint);
        var client = world.Client(change: options => (options.User, options.Password) = ("root", "top"));
        var directory = world.Nodes(client);
        var node = world.Node(client, world.Token());
        var incarnation = await Waiting.For(node.Registered, "the registration");
        await RealWorld.When(directory, nodes => nodes.Count == 1, "the node in the view");
        await etcd.RestartAsync();
        node.Describe(new NodeInfo { Id = "r1", Role = "room", Host = "10.0.0.1", Port = 7777 });
        var seen = await RealWorld.When(directory, nodes => nodes.Count == 1 && nodes[0].Port == 7777, "a change written and watched after the restart");
        Assert.Equal(incarnation, seen[0].Incarnation);

        var stranger = world.Client(change: options => (options.User, options.Password) = ("root", "guess"));
        Assert.True((await Assert.ThrowsAsync<EtcdException>(async () => await stranger.GetAsync("/x", Never))).IsRefused);
        var nobody = world.Client();
        Assert.Contains("Etcd:User", (await Assert.ThrowsAsync<EtcdException>(async () => await nobody.GetAsync("/x", Never))).Message);
    }

    [Fact]
    public async Task A_user_without_the_right_to_the_heartbeat_still_sees_what_it_may()
    {
        await using var etcd = await EtcdServer.StartAsync();
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/user/add", new { name = "root", password = "top" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/role/add", new { name = "root" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/user/grant", new { user = "root", role = "root" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/user/add", new { name = "a", password = "a" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/role/add", new { name = "a" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/role/grant", new { name = "a", perm = new { permType = "READWRITE", key = Fake.Json.Base64("/a/"), range_end = Fake.Json.Base64("/a0") } });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/user/grant", new { user = "a", role = "a" });
        await RealWorld.Post(etcd.Endpoint, "/v3/auth/enable", new { });
        await using var world = new RealWorld(etcd.Endpoint);
        var client = world.Client(change: options => (options.User, options.Password) = ("a", "a"));
        var mirror = world.Owned(client.Mirror("/a/"));
        await Waiting.For(mirror.Ready, "the first list");
        await RealWorld.Put(client, "/a/1", "x");
        await RealWorld.When(mirror, snapshot => snapshot.Entries.Count == 1, "the event");
        Assert.Contains(world.Log.Lines, line => line.Id == 7033);
        Assert.Equal(7, (await Assert.ThrowsAsync<EtcdException>(() => RealWorld.Put(client, "/b/1", "x"))).Code);
    }

    /// <summary>The real clock, but the question for the members, one second after the start, is never due.</summary>
    private sealed class NoMembers : TimeProvider
    {
        private int _timers;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, Interlocked.Increment(ref _timers) == 1 ? Timeout.InfiniteTimeSpan : dueTime, period);
    }
}
