using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Nodes;
using PushSystem.Cluster.Tests.Fake;

namespace PushSystem.Cluster.Tests.Nodes;

public sealed class NodeDirectoryTests : IAsyncDisposable
{
    private static readonly ClusterKeys Keys = new("t");
    private readonly StubEtcd _etcd = new();
    private readonly LogList _log = new();
    private readonly NodeDirectory _directory;

    public NodeDirectoryTests() => _directory = new NodeDirectory(_etcd, Keys, new Logger<NodeDirectory>(_log));

    [Fact]
    public void Nodes_come_change_and_go_by_role_in_order_of_their_ids()
    {
        List<string> told = [];
        _directory.Changed += told.Add;
        Put("room", "r2");
        var first = Put("room", "r1");
        Put("center", "c1");
        Assert.Equal(["r1", "r2"], _directory.Of("room").Select(node => node.Id));
        Assert.Equal(first, _directory.Of("room")[0].Incarnation);
        Assert.Equal(3, _directory.Revision);
        Put("room", "r1", draining: true);
        Assert.True(_directory.Of("room")[0].Draining);
        Assert.Equal(first, _directory.Of("room")[0].Incarnation);
        _etcd.Delete(Keys.Node("room", "r1"));
        Assert.Equal(["r2"], _directory.Of("room").Select(node => node.Id));
        Assert.Empty(_directory.Of("saver"));
        Assert.Equal(["room", "room", "center", "room", "room"], told);
    }

    [Fact]
    public void A_list_that_was_given_out_never_changes()
    {
        Put("room", "r1");
        var before = _directory.Of("room");
        _etcd.Delete(Keys.Node("room", "r1"));
        Assert.Single(before);
        Assert.Empty(_directory.Of("room"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no JSON")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"id":"bad","role":"room","host":"h"}""")]
    [InlineData("""{"id":"bad","role":"room","host":"h","port":65536}""")]
    [InlineData("""{"id":"bad","role":"room","host":"h","port":"80"}""")]
    [InlineData("""{"id":7,"role":"room","host":"h","port":1}""")]
    [InlineData("""{"id":"other","role":"room","host":"h","port":1}""")]
    [InlineData("""{"id":"bad","role":"saver","host":"h","port":1}""")]
    public void A_key_that_describes_no_node_is_logged_and_left_out(string value)
    {
        Put("room", "r1");
        _etcd.Put(Keys.Node("room", "bad"), value);
        Put("room", "r2");
        Assert.Equal(["r1", "r2"], _directory.Of("room").Select(node => node.Id));
        Assert.Equal(1, _log.Count(7066));
    }

    [Fact]
    public void A_living_node_stays_when_its_new_description_is_unreadable_but_a_new_one_does_not_inherit_it()
    {
        Put("room", "r1");
        _etcd.Put(Keys.Node("room", "r1"), "half a descri");
        Assert.Single(_directory.Of("room"));
        _etcd.Delete(Keys.Node("room", "r1"));
        _etcd.Put(Keys.Node("room", "r1"), "half a descri");
        Assert.Empty(_directory.Of("room"));
    }

    [Fact]
    public void Unknown_members_are_ignored_and_absent_ones_have_defaults()
    {
        var created = _etcd.Put(Keys.Node("room", "r1"), """{"id":"r1","role":"room","host":"h","port":1,"later":{"x":1},"details":{"load":0.5}}""");
        var node = Assert.Single(_directory.Of("room"));
        Assert.Equal(("A", "", "", false, created), (node.Group, node.Version, node.Process, node.Draining, node.Incarnation));
        Assert.Equal(0.5, node.Details!.Value.GetProperty("load").GetDouble());
    }

    [Fact]
    public void A_handler_that_throws_is_logged_and_stops_nobody()
    {
        List<string> told = [];
        _directory.Changed += _ => throw new InvalidOperationException("bad handler");
        _directory.Changed += told.Add;
        Put("room", "r1");
        Assert.Equal(["room"], told);
        Assert.Equal(1, _log.Count(7032));
    }

    [Fact]
    public void The_view_has_changed_when_the_event_was_handed_over()
    {
        Put("room", "r1");
        _etcd.Changed += (_, _) => Assert.Empty(_directory.Of("room"));
        // The directory subscribed first: whoever is told behind it sees the room's end already.
        _etcd.Delete(Keys.Node("room", "r1"));
    }

    [Fact]
    public async Task Refreshing_lists_again()
    {
        await _directory.RefreshAsync(CancellationToken.None);
        Assert.Equal(1, _etcd.Refreshes);
    }

    public ValueTask DisposeAsync() => _directory.DisposeAsync();

    private long Put(string role, string id, bool draining = false)
    {
        var info = new NodeInfo { Id = id, Role = role, Host = "10.0.0.1", Port = 7000, Draining = draining };
        return _etcd.Put(Keys.Node(role, id), System.Text.Encoding.UTF8.GetString(NodeInfoJson.Write(info)));
    }
}
