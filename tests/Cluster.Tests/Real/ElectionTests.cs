using PushSystem.Cluster.Election;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Real;

/// <summary>Elections on a real etcd.</summary>
public sealed class ElectionTests(SharedEtcd etcd) : IClassFixture<SharedEtcd>, IAsyncDisposable
{
    private static readonly CancellationToken Never = CancellationToken.None;
    private readonly RealWorld _world = new(etcd.Server.Endpoint);

    [Fact]
    public async Task Candidates_lead_in_the_order_in_which_they_came_with_growing_tokens()
    {
        var client = _world.Client();
        var campaigns = new List<Task<Leadership>>();
        for (var i = 0; i < 4; i++)
        {
            campaigns.Add(Election(client, await Lease(client)).CampaignAsync(Never));
            await Candidates(client, i + 1);
        }
        long last = 0;
        for (var i = 0; i < 4; i++)
        {
            var leadership = await Waiting.For(campaigns[i], $"candidate {i} leads");
            Assert.All(campaigns.Skip(i + 1), campaign => Assert.False(campaign.IsCompleted));
            Assert.True(leadership.IsHeld);
            Assert.True(leadership.Token > last);
            last = leadership.Token;
            await leadership.DisposeAsync();
            Assert.False(leadership.IsHeld);
            Assert.Equal("resigned", await leadership.Ended);
        }
        await Candidates(client, 0);
    }

    [Fact]
    public async Task A_candidate_that_leaves_the_queue_does_not_make_the_one_behind_it_leader()
    {
        var client = _world.Client();
        var first = await Waiting.For(Election(client, await Lease(client)).CampaignAsync(Never), "the first leads");
        using var giveUp = new CancellationTokenSource();
        var second = Election(client, await Lease(client)).CampaignAsync(giveUp.Token);
        await Candidates(client, 2);
        var third = Election(client, await Lease(client)).CampaignAsync(Never);
        await Candidates(client, 3);
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Waiting.For(second, "the second gives up"));
        await Candidates(client, 2);
        Assert.False(third.IsCompleted);
        await first.DisposeAsync();
        await using var leadership = await Waiting.For(third, "the third leads");
        Assert.True(leadership.Token > first.Token);
    }

    [Fact]
    public async Task A_leader_that_was_paused_past_its_lease_knows_it_before_it_asks_and_the_next_token_is_higher()
    {
        // The paused process has a clock of its own: it stands while the process lives undisturbed, and jumps when it was paused.
        var clock = new FakeClock();
        await using var proxy = new TcpProxy(etcd.Server.Endpoint);
        await using var near = new RealWorld(proxy.Endpoint);
        var pausedClient = near.Client(clock, options => options.HeartbeatInterval = TimeSpan.FromMinutes(5));
        var pausedLease = await LeaseKeeper.GrantAsync(pausedClient, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1), Never);
        near.Owned(pausedLease);
        var paused = await Waiting.For(Election(pausedClient, pausedLease).CampaignAsync(Never), "the first leads");
        var client = _world.Client();
        var campaign = Election(client, await Lease(client)).CampaignAsync(Never);
        await Candidates(client, 2);
        Assert.True(paused.IsHeld);

        proxy.StopUp();
        clock.Advance(TimeSpan.FromSeconds(9));
        // No keepalive was answered in between: the check is by the clock alone.
        Assert.False(paused.IsHeld);
        // etcd ends the lease, which is what the time without keepalives does.
        await client.RevokeAsync(pausedLease.Id, Never);
        await using var next = await Waiting.For(campaign, "the next leads");
        Assert.True(next.Token > paused.Token);
        Assert.True(next.IsHeld);
        // Its late resignation must not take the key of the one that leads now.
        proxy.Flow();
        await paused.DisposeAsync();
        Assert.True(next.IsHeld);
        Assert.Equal(next.Token, (await client.ListAsync(_world.Keys.Election("job"), Never)).Entries.Single().CreateRevision);
    }

    [Fact]
    public async Task A_leader_whose_key_was_removed_leads_no_more_although_its_lease_lives()
    {
        var client = _world.Client();
        var leadership = await Waiting.For(Election(client, await Lease(client)).CampaignAsync(Never), "leads");
        var key = (await client.ListAsync(_world.Keys.Election("job"), Never)).Entries.Single().Key;
        await client.CommitAsync(new([], [new(key, null, 0)]), Never);
        Assert.Equal("the key was removed", await Waiting.For(leadership.Ended, "the end of the leadership"));
        Assert.False(leadership.IsHeld);
        await leadership.DisposeAsync();
    }

    [Fact]
    public async Task A_candidate_whose_node_lost_its_lease_campaigns_again_with_the_new_one()
    {
        var client = _world.Client();
        var first = await Waiting.For(Election(client, await Lease(client)).CampaignAsync(Never), "the first leads");
        var node = _world.Node(client, _world.Token());
        await Waiting.For(node.Registered, "the registration");
        var campaign = new LeaderElection(client, _world.Keys, node, "job", "r1").CampaignAsync(Never);
        await Candidates(client, 2);
        var renewal = RealWorld.Renewal(node);
        await client.RevokeAsync((await node.LeaseAsync(Never)).Id, Never);
        await Waiting.For(renewal, "the new lease");
        await Candidates(client, 2);
        Assert.False(campaign.IsCompleted);
        await first.DisposeAsync();
        await using var leadership = await Waiting.For(campaign, "the candidate leads");
        Assert.True(leadership.Token > node.Incarnation);
        Assert.True(leadership.IsHeld);
    }

    [Fact]
    public async Task A_leader_whose_node_lost_its_lease_leads_no_more()
    {
        var client = _world.Client();
        var node = _world.Node(client, _world.Token());
        await Waiting.For(node.Registered, "the registration");
        await using var leadership = await Waiting.For(new LeaderElection(client, _world.Keys, node, "job", "r1").CampaignAsync(Never), "leads");
        await client.RevokeAsync((await node.LeaseAsync(Never)).Id, Never);
        await Waiting.For(leadership.Ended, "the end of the leadership");
        Assert.False(leadership.IsHeld);
    }

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    private LeaderElection Election(EtcdClient client, LeaseKeeper lease) => new(client, _world.Keys, new OneLease(lease), "job", "test");

    private async Task<LeaseKeeper> Lease(EtcdClient client) =>
        _world.Owned(await LeaseKeeper.GrantAsync(client, TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(1), Never));

    private async Task Candidates(EtcdClient client, int count)
    {
        await using var mirror = client.Mirror(_world.Keys.Election("job"));
        await RealWorld.When(mirror, snapshot => snapshot.Revision > 0 && snapshot.Entries.Count == count, $"{count} candidates");
    }

    private sealed class OneLease(LeaseKeeper lease) : ILeaseSource
    {
        public ValueTask<LeaseKeeper> LeaseAsync(CancellationToken cancellationToken) => ValueTask.FromResult(lease);
    }
}
