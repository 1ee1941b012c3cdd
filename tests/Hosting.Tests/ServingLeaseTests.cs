using PushSystem.Cluster.Nodes;
using PushSystem.Hosting.Nodes;
using PushSystem.TestSupport;

namespace PushSystem.Hosting.Tests;

/// <summary>Who may serve: a node whose etcd is away may, a node that slept may not.</summary>
public sealed class ServingLeaseTests
{
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(10);

    private readonly FakeClock _clock = new();
    private readonly FakeLease _lease = new() { Incarnation = 7, LastIncarnation = 7 };

    [Fact]
    public void With_a_confirmed_lease_the_node_serves()
    {
        using var serving = new ServingLease(_lease, LeaseTime, _clock);

        Assert.Equal(7, serving.Incarnation);
    }

    [Fact]
    public void While_etcd_is_away_the_node_goes_on_serving()
    {
        using var serving = new ServingLease(_lease, LeaseTime, _clock);
        _lease.Incarnation = 0;
        for (var i = 0; i < 600; i++)
            _clock.Advance(TimeSpan.FromMilliseconds(100));

        Assert.Equal(7, serving.Incarnation);
    }

    [Fact]
    public void After_a_pause_beyond_the_lease_the_first_question_is_refused()
    {
        using var serving = new ServingLease(_lease, LeaseTime, _clock);
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        Pause(3 * LeaseTime);

        Assert.Equal(0, serving.Incarnation);
    }

    [Fact]
    public void After_a_pause_the_node_serves_when_etcd_confirms_the_lease()
    {
        using var serving = new ServingLease(_lease, LeaseTime, _clock);
        Pause(3 * LeaseTime);
        Assert.Equal(0, serving.Incarnation);
        _lease.Incarnation = 7;

        Assert.Equal(7, serving.Incarnation);
        _lease.Incarnation = 0;
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Equal(7, serving.Incarnation);
    }

    [Fact]
    public void After_a_pause_the_node_serves_as_the_new_incarnation_only()
    {
        using var serving = new ServingLease(_lease, LeaseTime, _clock);
        Pause(3 * LeaseTime);
        (_lease.Incarnation, _lease.LastIncarnation) = (9, 9);

        Assert.Equal(9, serving.Incarnation);
    }

    [Fact]
    public void A_pause_is_not_forgotten_by_the_ticks_after_it()
    {
        using var serving = new ServingLease(_lease, LeaseTime, _clock);
        Pause(3 * LeaseTime);
        for (var i = 0; i < 100; i++)
            _clock.Advance(TimeSpan.FromMilliseconds(500));

        Assert.Equal(0, serving.Incarnation);
    }

    [Fact]
    public void A_pause_shorter_than_half_the_lease_changes_nothing()
    {
        using var serving = new ServingLease(_lease, LeaseTime, _clock);
        _lease.Incarnation = 0;
        Pause(LeaseTime * 0.4);

        Assert.Equal(7, serving.Incarnation);
    }

    // The process sleeps: no timer fires, and at its end the time has jumped and the lease's deadline may have passed.
    private void Pause(TimeSpan time)
    {
        if (time > LeaseTime)
            _lease.Incarnation = 0;
        _clock.Jump(time);
    }

    private sealed class FakeLease : INodeLease
    {
        public long Incarnation { get; set; }
        public long LastIncarnation { get; set; }

        public event Action<long>? Renewed
        {
            add { }
            remove { }
        }

        public void Describe(NodeInfo info)
        {
        }
    }
}
