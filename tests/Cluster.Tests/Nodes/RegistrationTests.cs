using System.Text.Json;
using PushSystem.Cluster.Nodes;
using PushSystem.Cluster.Tests.Fake;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Nodes;

/// <summary>The steps of a registration whose answers go astray, against a scripted etcd.</summary>
public sealed class RegistrationTests
{
    private const string Range = "/v3/kv/range", Txn = "/v3/kv/txn", Key = "/push/t/nodes/room/r1";
    private static readonly ClusterKeys Keys = new("t");
    private static readonly NodeInfo Info = new() { Id = "r1", Role = "room", Host = "10.0.0.1", Port = 7000 };

    [Fact]
    public async Task A_key_whose_creation_was_not_answered_is_found_by_its_lease()
    {
        await using var world = await World.StartAsync();
        using var token = NodeToken.Unsaved();
        var value = System.Text.Encoding.UTF8.GetString(NodeInfoJson.Write(Info with { Process = token.Process }));
        var isThere = false;
        world.Fake.Script(Range, request => Task.FromResult(!isThere
            ? FakeReply.List(40)
            : FakeReply.Ok($$$"""{"header":{"revision":"42"},"kvs":[{{{Json.Kv(Key, value, 42, 42, lease: 77)}}}]}""")));
        world.Fake.Script(Txn, _ =>
        {
            isThere = true;
            return Task.FromResult(FakeReply.Cut);
        });
        await using var registration = new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions());
        Assert.Equal(42, await Waiting.For(registration.Registered, "the registration"));
        Assert.Equal(42, registration.Incarnation);
        Assert.Single(world.Fake.Requests(Txn));
    }

    [Fact]
    public async Task A_lease_that_went_before_the_key_was_made_is_replaced()
    {
        await using var world = await World.StartAsync();
        using var token = NodeToken.Unsaved();
        world.Fake.Script("/v3/lease/grant", FakeReply.Lease(77, 10), FakeReply.Lease(78, 10));
        world.Fake.Script(Txn, FakeReply.Error(404, 5, "etcdserver: requested lease not found"), FakeReply.Done(50));
        await using var registration = new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions());
        Assert.Equal(50, await world.Advance(registration.Registered));
        Assert.Contains("\"lease\":\"78\"", world.Fake.Requests(Txn)[1].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_starts_without_etcd_and_registers_when_it_comes()
    {
        await using var world = await World.StartAsync();
        using var token = NodeToken.Unsaved();
        world.Fake.Script("/v3/lease/grant", FakeReply.Cut, FakeReply.Cut, FakeReply.Lease(77, 10));
        world.Fake.Script(Txn, FakeReply.Done(50));
        await using var registration = new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions());
        var renewed = 0;
        registration.Renewed += _ => renewed++;
        Assert.Equal(0, registration.Incarnation);
        Assert.Equal(50, await world.Advance(registration.Registered));
        Assert.Equal(0, renewed);
    }

    [Fact]
    public async Task A_leftover_without_lease_is_removed_if_it_did_not_change()
    {
        await using var world = await World.StartAsync();
        using var token = NodeToken.Unsaved();
        // Each list is asked for by prefix, each look by key alone: only looks see the leftover.
        var looks = 0;
        world.Fake.Script(Range, request => Task.FromResult(
            request["range_end"].Length == 0 && Interlocked.Increment(ref looks) == 1 ? FakeReply.List(40, (Key, "not JSON", 7, 9)) : FakeReply.List(40)));
        world.Fake.Script(Txn, FakeReply.Done(41), FakeReply.Done(42));
        await using var registration = new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions());
        Assert.Equal(42, await Waiting.For(registration.Registered, "the registration"));
        Assert.Contains("\"mod_revision\":\"9\"", world.Fake.Requests(Txn)[0].Body, StringComparison.Ordinal);
        Assert.Contains("request_delete_range", world.Fake.Requests(Txn)[0].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_is_taken_away_again_and_again_is_not_raced_for()
    {
        await using var world = await World.StartAsync();
        using var token = NodeToken.Unsaved();
        // The view is far ahead of what transactions say, and without the key: each registration is lost the moment it is made.
        world.Fake.Script(Range, FakeReply.List(1000));
        world.Fake.Script(Txn, FakeReply.Done(50));
        await using var registration = new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions());
        await world.Fake.Request("/v3/lease/grant", 2);
        await Waiting.Until(() => world.Log.Count(7061) == 2, "the second loss");
        // The second loss is mended only behind a pause, and the clock stands.
        await world.Client.GetAsync("/x", CancellationToken.None);
        Assert.Equal(2, world.Fake.Requests("/v3/lease/grant").Count);
        await world.Advance(world.Fake.Request("/v3/lease/grant", 3));
    }

    [Fact]
    public async Task Stopping_without_an_answer_from_etcd_is_bounded()
    {
        await using var world = await World.StartAsync();
        using var token = NodeToken.Unsaved();
        var registration = new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions());
        await Waiting.For(registration.Registered, "the registration");
        world.Fake.Script("/v3/lease/revoke", FakeReply.Silence);
        var disposing = registration.DisposeAsync().AsTask();
        await world.Fake.Request("/v3/lease/revoke", 1);
        Assert.False(disposing.IsCompleted);
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        await Waiting.For(disposing, "the end of the registration");
    }

    [Fact]
    public async Task Descriptions_that_cannot_be_are_refused_and_change_nothing()
    {
        await using var world = await World.StartAsync();
        using var token = NodeToken.Unsaved();
        Assert.Throws<ArgumentException>(() => new NodeRegistration(world.Client, Keys, Info with { Port = 70_000 }, token, new NodeOptions()));
        Assert.Contains("LeaseTime", Assert.Throws<ArgumentException>(
            () => new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions { LeaseTime = TimeSpan.FromSeconds(1) })).Message);
        Assert.Contains("LeaseMargin", Assert.Throws<ArgumentException>(
            () => new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions { LeaseMargin = TimeSpan.FromSeconds(5) })).Message);
        await using var registration = new NodeRegistration(world.Client, Keys, Info, token, new NodeOptions());
        await Waiting.For(registration.Registered, "the registration");
        Assert.Throws<ArgumentException>(() => registration.Describe(Info with { Id = "r2" }));
        using var large = JsonDocument.Parse($"\"{new string('x', NodeInfoJson.MaxBytes)}\"");
        Assert.Throws<ArgumentException>(() => registration.Describe(Info with { Details = large.RootElement }));
        Assert.Single(world.Fake.Requests(Txn));
    }
}
