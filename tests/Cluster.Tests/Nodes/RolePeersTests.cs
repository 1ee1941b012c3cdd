using PushSystem.Cluster.Nodes;

namespace PushSystem.Cluster.Tests.Nodes;

public sealed class RolePeersTests
{
    private readonly StubDirectory _directory = new();
    private readonly StubLease _lease = new() { Incarnation = 10 };

    [Fact]
    public void The_own_incarnation_counts_even_if_the_view_does_not_show_it_yet()
    {
        using var peers = Peers();
        _directory.Show(Node("c2", 20));
        Assert.Equal([10, 20], peers.Live.Order());
        // The view still shows the incarnation before this one.
        _lease.Incarnation = 30;
        _directory.Show(Node("c1", 10), Node("c2", 20));
        Assert.Equal([20, 30], peers.Live.Order());
        _lease.Incarnation = 0;
        Assert.Equal([10, 20], peers.Live.Order());
    }

    [Fact]
    public void Each_piece_of_work_has_exactly_one_first_node()
    {
        _directory.Show(Node("c1", 10), Node("c2", 20), Node("c3", 30));
        var all = new[] { "c1", "c2", "c3" }.Select(id => new RolePeers(_directory, _lease, "center", id)).ToArray();
        var firsts = new int[3];
        for (var i = 0; i < 300; i++)
        {
            Assert.Single(all, peers => peers.IsFirstFor($"broadcasts/app{i}"));
            firsts[Array.FindIndex(all, peers => peers.IsFirstFor($"broadcasts/app{i}"))]++;
        }
        Assert.All(firsts, count => Assert.InRange(count, 50, 150));
    }

    [Fact]
    public void A_process_that_does_not_know_that_it_lives_comes_first_for_nothing()
    {
        using var peers = Peers();
        Assert.True(peers.IsFirstFor("x"));
        _lease.Incarnation = 0;
        Assert.False(peers.IsFirstFor("x"));
    }

    [Fact]
    public void A_draining_node_gets_no_work_while_others_stay()
    {
        using var peers = Peers();
        _directory.Show(Node("c1", 10, draining: true), Node("c2", 20));
        Assert.DoesNotContain(Enumerable.Range(0, 50), i => peers.IsFirstFor($"w{i}"));
        _directory.Show(Node("c1", 10), Node("c2", 20, draining: true));
        Assert.All(Enumerable.Range(0, 50), i => Assert.True(peers.IsFirstFor($"w{i}")));
        _directory.Show(Node("c1", 10, draining: true), Node("c2", 20, draining: true));
        Assert.Contains(Enumerable.Range(0, 50), i => peers.IsFirstFor($"w{i}"));
    }

    [Fact]
    public void Changes_of_the_own_role_and_of_the_own_incarnation_are_told()
    {
        var peers = Peers();
        var told = 0;
        peers.Changed += () => told++;
        _directory.Tell("center");
        _directory.Tell("room");
        _lease.Renew(11);
        Assert.Equal(2, told);
        peers.Dispose();
        _directory.Tell("center");
        _lease.Renew(12);
        Assert.Equal(2, told);
    }

    private RolePeers Peers() => new(_directory, _lease, "center", "c1");

    private static NodeInfo Node(string id, long incarnation, bool draining = false) =>
        new() { Id = id, Role = "center", Host = "h", Port = 1, Incarnation = incarnation, Draining = draining };

    private sealed class StubDirectory : INodeDirectory
    {
        private IReadOnlyList<NodeInfo> _nodes = [];

        public long Revision => 0;
        public event Action<string>? Changed;
        public void Show(params NodeInfo[] nodes) => _nodes = nodes;
        public void Tell(string role) => Changed?.Invoke(role);
        public IReadOnlyList<NodeInfo> Of(string role) => role == "center" ? _nodes : [];
        public ValueTask RefreshAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }

    private sealed class StubLease : INodeLease
    {
        public long Incarnation { get; set; }
        public long LastIncarnation => Incarnation;
        public event Action<long>? Renewed;

        public void Renew(long incarnation)
        {
            Incarnation = incarnation;
            Renewed?.Invoke(incarnation);
        }

        public void Describe(NodeInfo info) => throw new InvalidOperationException("not asked by these tests");
    }
}
