using PushSystem.Cluster.Nodes;
using PushSystem.Contracts;
using PushSystem.Protocol;
using PushSystem.Remote.Routing;
using PushSystem.Remote.Savers;
using PushSystem.Rpc;

namespace PushSystem.Remote.Tests;

/// <summary>Which node gets a call, and what happens when it does not do it.</summary>
public sealed class RoutingTests
{
    private readonly LoopbackNode _node = new();
    private readonly FakeNodes _nodes = new();
    private readonly RecordingContract _recorder;
    private readonly RemoteSavers _savers;

    public RoutingTests()
    {
        var (mailboxes, recorder) = RecordingContract.Make<IMailboxes>();
        var absent = new Absent();
        _recorder = recorder;
        _node.AddSaver(mailboxes, absent, absent, absent, absent, absent, absent);
        _savers = new RemoteSavers(_node, _nodes, 64, new RemoteOptions(), TimeProvider.System);
        _nodes.Set(Roles.Saver, FakeNodes.Node(Roles.Saver, "s1"), FakeNodes.Node(Roles.Saver, "s2"), FakeNodes.Node(Roles.Saver, "s3"));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Users_of_one_partition_go_to_one_saver_and_all_savers_get_some()
    {
        for (var i = 0; i < 200; i++)
            await _savers.Mailboxes.FindAsync(new UserKey("a", $"u{i}"), 1, 1, Cancel);
        var first = _node.Calls.Select(call => call.Node).ToArray();
        _node.Calls.Clear();
        for (var i = 0; i < 200; i++)
            await _savers.Mailboxes.FindAsync(new UserKey("a", $"u{i}"), 1, 1, Cancel);

        Assert.Equal(first, _node.Calls.Select(call => call.Node));
        Assert.Equal(["saver/s1", "saver/s2", "saver/s3"], first.Distinct().Order());
    }

    [Fact]
    public async Task A_saver_that_goes_hands_only_its_own_partitions_to_others()
    {
        var before = await WhoServes();
        _nodes.Set(Roles.Saver, FakeNodes.Node(Roles.Saver, "s1"), FakeNodes.Node(Roles.Saver, "s3"));
        var after = await WhoServes();

        for (var i = 0; i < before.Length; i++)
        {
            if (before[i] != "saver/s2")
                Assert.Equal(before[i], after[i]);
        }
        Assert.DoesNotContain("saver/s2", after);
    }

    [Fact]
    public async Task A_draining_saver_is_asked_last()
    {
        _nodes.Set(
            Roles.Saver, FakeNodes.Node(Roles.Saver, "s1") with { Draining = true }, FakeNodes.Node(Roles.Saver, "s2"));

        Assert.All(await WhoServes(), node => Assert.Equal("saver/s2", node));
    }

    [Theory]
    [InlineData(RpcStatus.Unreachable)]
    [InlineData(RpcStatus.Stopping)]
    public async Task A_call_that_was_not_done_goes_to_the_next_saver(RpcStatus status)
    {
        var dead = (await WhoServes())[0];
        _node.Calls.Clear();
        _node.Fault = (node, before) => before && node == dead ? status : null;

        await AppendAsync("u0", claim: false);

        Assert.Equal(2, _node.Calls.Count);
        Assert.Equal(dead, _node.Calls[0].Node);
        Assert.NotEqual(dead, _node.Calls[1].Node);
    }

    [Fact]
    public async Task An_append_without_a_key_is_not_repeated_when_its_outcome_is_unknown()
    {
        _node.Fault = (_, before) => before ? null : RpcStatus.LinkLost;

        await Assert.ThrowsAsync<StoreUnavailableException>(() => AppendAsync("u0", claim: false));

        Assert.Single(_node.Calls);
    }

    [Fact]
    public async Task An_append_with_a_key_is_repeated_when_its_outcome_is_unknown()
    {
        var failures = 1;
        _node.Fault = (_, before) => before || Interlocked.Decrement(ref failures) < 0 ? null : RpcStatus.LinkLost;

        await AppendAsync("u0", claim: true);

        Assert.Equal(2, _node.Calls.Count);
    }

    [Fact]
    public async Task A_busy_saver_does_not_send_its_work_to_its_neighbour()
    {
        _node.Fault = (_, _) => RpcStatus.Busy;

        await Assert.ThrowsAsync<StoreUnavailableException>(() => AppendAsync("u0", claim: true));

        Assert.Single(_node.Calls);
    }

    [Fact]
    public async Task Without_any_saver_the_store_is_away_at_once()
    {
        _nodes.Set(Roles.Saver);

        var thrown = await Assert.ThrowsAsync<StoreUnavailableException>(() => AppendAsync("u0", claim: true));

        Assert.Contains("no saver lives", thrown.Message);
        Assert.Empty(_node.Calls);
        Assert.Equal("no saver lives", _savers.Failure);
    }

    [Fact]
    public async Task A_batch_over_several_savers_is_answered_in_its_own_order()
    {
        var order = new NodeRoutes(_nodes, Roles.Saver);
        string[] users = [.. Enumerable.Range(0, 100).Select(i => $"u{i}")];

        var answers = await Scatter.AskAsync(
            users, user => StableHash.Of(user), order.For,
            (_, part) => ValueTask.FromResult<IReadOnlyList<string>>([.. part.Select(user => user + "!")]));

        Assert.Equal(users.Select(user => user + "!"), answers);
    }

    private async Task AppendAsync(string user, bool claim) => await _savers.Mailboxes.AppendAsync(
        new AppendRequest(
            "a", Durability.Stored,
            [new MessageDraft(user, PayloadKind.Text, "x"u8.ToArray(), null), new MessageDraft(user, PayloadKind.Text, "y"u8.ToArray(), null),
             new MessageDraft(user, PayloadKind.Text, "z"u8.ToArray(), null)],
            claim ? new IdempotencyClaim("key", new byte[32]) : null), Cancel);

    private async Task<string[]> WhoServes()
    {
        _node.Calls.Clear();
        for (var i = 0; i < 200; i++)
            await _savers.Mailboxes.FindAsync(new UserKey("a", $"u{i}"), 1, 1, Cancel);
        Assert.Equal(nameof(IMailboxes.FindAsync), _recorder.Method);
        return [.. _node.Calls.Select(call => call.Node)];
    }
}
