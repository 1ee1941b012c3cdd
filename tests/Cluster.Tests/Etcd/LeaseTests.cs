using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Nodes;
using PushSystem.Cluster.Tests.Fake;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Etcd;

public sealed class LeaseTests
{
    private const string KeepAlive = "/v3/lease/keepalive", Grant = "/v3/lease/grant";
    private static readonly TimeSpan Ten = TimeSpan.FromSeconds(10), One = TimeSpan.FromSeconds(1);
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task A_keepalive_without_TTL_is_a_lease_that_is_gone()
    {
        await using var world = await World.StartAsync();
        Assert.Equal(Ten, await world.Client.KeepAliveAsync(77, One, Never));
        world.Fake.Script(KeepAlive, FakeReply.Alive(77, 0));
        Assert.Null(await world.Client.KeepAliveAsync(77, One, Never));
        Assert.Equal("77", world.Fake.Requests(KeepAlive)[0]["ID"]);
    }

    [Theory]
    [InlineData("""{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}""")]
    [InlineData("""{"error":{"code":14,"message":"etcdserver: no leader","details":[]}}""")]
    [InlineData("""{"result":{"header":{"revision":"1"},"ID":"78","TTL":"10"}}""")]
    [InlineData("""{"header":{"revision":"1"}}""")]
    [InlineData("""{"result":{"header":{"revi""")]
    public async Task A_keepalive_that_was_not_answered_says_nothing_about_the_lease(string body)
    {
        await using var world = await World.StartAsync();
        world.Fake.Script(KeepAlive, FakeReply.Ok(body));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.KeepAliveAsync(77, One, Never));
        Assert.False(exception.IsRefused);
    }

    [Fact]
    public async Task Revoking_a_lease_that_is_gone_is_no_error()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script("/v3/lease/revoke", FakeReply.Ok("""{"header":{}}"""), FakeReply.Error(404, 5, "etcdserver: requested lease not found"));
        Assert.True(await world.Client.RevokeAsync(77, Never));
        Assert.False(await world.Client.RevokeAsync(77, Never));
    }

    [Fact]
    public async Task The_deadline_counts_from_before_the_request_was_sent()
    {
        await using var world = await World.StartAsync();
        var answer = new TaskCompletionSource<FakeReply>();
        world.Fake.Script(Grant, _ => answer.Task);
        var granting = LeaseKeeper.GrantAsync(world.Client, Ten, One, Never);
        await world.Fake.Request(Grant, 1);
        // etcd granted at once, its answer took three seconds.
        world.Clock.Advance(TimeSpan.FromSeconds(3));
        world.Fake.Script(KeepAlive, FakeReply.Silence);
        answer.SetResult(FakeReply.Lease(77, 10));
        await using var lease = await Waiting.For(granting, "the lease");
        Assert.True(lease.IsHeld);
        world.Clock.Advance(TimeSpan.FromSeconds(5.9));
        Assert.True(lease.IsHeld);
        world.Clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.False(lease.IsHeld);
    }

    [Fact]
    public async Task A_keepalive_moves_the_deadline_from_the_moment_it_was_sent()
    {
        await using var world = await World.StartAsync();
        await using var lease = await LeaseKeeper.GrantAsync(world.Client, TimeSpan.FromSeconds(30), One, Never);
        var answer = new TaskCompletionSource<FakeReply>();
        world.Fake.Script(KeepAlive, _ => answer.Task);
        // The grant of 10 s counts, not what was asked for: the first keepalive is due after a third of it.
        await world.Advance(world.Fake.Request(KeepAlive, 1), TimeSpan.FromMilliseconds(20));
        var sent = world.Clock.GetTimestamp();
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        answer.SetResult(FakeReply.Alive(77, 10));
        // The next keepalive, after a third of the lease, proves that the answer was taken.
        await world.Advance(world.Fake.Request(KeepAlive, 2), TimeSpan.FromMilliseconds(20));
        world.Fake.Script(KeepAlive, FakeReply.Silence);
        Assert.True(lease.IsHeld);
        var passed = world.Clock.GetElapsedTime(sent);
        Assert.InRange(passed, TimeSpan.Zero, TimeSpan.FromSeconds(8.9));
    }

    [Fact]
    public async Task Without_answers_the_lease_is_not_held_after_its_deadline_and_held_again_when_etcd_says_that_it_lives()
    {
        await using var world = await World.StartAsync();
        await using var lease = await LeaseKeeper.GrantAsync(world.Client, Ten, One, Never);
        world.Fake.Script(KeepAlive, FakeReply.Error(503, 14, "etcdserver: no leader"));
        await world.Advance(world.Fake.Request(KeepAlive, 2), TimeSpan.FromMilliseconds(20));
        world.Clock.Advance(Ten);
        Assert.False(lease.IsHeld);
        Assert.False(lease.Lost.IsCompleted);
        world.Fake.Script(KeepAlive, FakeReply.Alive(77, 10));
        await world.Advance(world.Fake.Request(KeepAlive, world.Fake.Requests(KeepAlive).Count + 2), TimeSpan.FromMilliseconds(20));
        Assert.True(lease.IsHeld);
        Assert.Contains(world.Log.Lines, line => line.Id == 7065);
    }

    [Fact]
    public async Task A_lease_that_is_gone_is_lost_for_good()
    {
        await using var world = await World.StartAsync();
        await using var lease = await LeaseKeeper.GrantAsync(world.Client, Ten, One, Never);
        world.Fake.Script(KeepAlive, FakeReply.Alive(77, 0));
        await world.Advance(lease.Lost, TimeSpan.FromMilliseconds(20));
        Assert.False(lease.IsHeld);
        var count = world.Fake.Requests(KeepAlive).Count;
        world.Clock.Advance(Ten);
        Assert.Equal(count, world.Fake.Requests(KeepAlive).Count);
    }

    [Fact]
    public async Task A_process_that_was_paused_past_its_lease_knows_it_before_it_asked_anybody()
    {
        await using var world = await World.StartAsync();
        await using var lease = await LeaseKeeper.GrantAsync(world.Client, Ten, One, Never);
        world.Fake.Script(KeepAlive, FakeReply.Silence);
        world.Clock.Advance(TimeSpan.FromSeconds(9));
        Assert.False(lease.IsHeld);
    }

    [Fact]
    public async Task The_lease_margin_is_measured_at_each_renewal()
    {
        await using var world = await World.StartAsync();
        var margin = new TaskCompletionSource<double>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listener = new System.Diagnostics.Metrics.MeterListener();
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter == world.Client.Metrics.Meter && instrument.Name == "push_cluster_lease_margin")
                own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<double>((_, value, _, _) => margin.TrySetResult(value));
        listener.Start();
        await using var lease = await LeaseKeeper.GrantAsync(world.Client, Ten, One, Never);
        Assert.InRange(await world.Advance(margin.Task, TimeSpan.FromMilliseconds(20)), -60, 6);
    }

    [Fact]
    public async Task A_margin_that_leaves_no_time_is_refused()
    {
        await using var world = await World.StartAsync();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => LeaseKeeper.GrantAsync(world.Client, Ten, TimeSpan.FromSeconds(5), Never));
    }
}
