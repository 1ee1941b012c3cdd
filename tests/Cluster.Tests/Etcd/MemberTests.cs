using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Tests.Fake;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Etcd;

public sealed class MemberTests
{
    private const string List = "/v3/cluster/member/list";
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task Members_that_answer_are_added_and_used_when_the_configured_one_dies()
    {
        await using var other = await FakeEtcd.StartAsync();
        other.Script("/v3/kv/range", FakeReply.List(5));
        await using var world = await World.StartAsync();
        Answer(world, Member(world.Fake.Endpoint), Member(other.Endpoint), Member($"http://127.0.0.1:{FreePorts.Take(1)[0]}"));
        // The first question comes by itself, soon after the start.
        await world.Advance(world.Fake.Request(List, 1), TimeSpan.FromMilliseconds(20));
        await Waiting.Until(() => world.Client.Endpoints.All.Count == 2, "the second endpoint");
        world.Fake.Script("/v3/kv/range", FakeReply.Cut);
        Assert.Equal(5, (await world.Client.ListAsync("/a/", Never)).Revision);
        Assert.Equal(1, world.Log.Count(7003));
    }

    [Fact]
    public async Task What_is_no_etcd_is_not_added()
    {
        await using var other = await FakeEtcd.StartAsync();
        other.Script("/version", FakeReply.Ok("""{"name":"another service"}"""), FakeReply.Ok("hello"), new FakeReply(404, "x"));
        await using var world = await World.StartAsync();
        Answer(world, Member(other.Endpoint));
        for (var i = 0; i < 3; i++)
        {
            await world.Client.Members.RefreshAsync(Never);
            Assert.Single(world.Client.Endpoints.All);
        }
    }

    [Fact]
    public async Task Learners_members_that_have_not_started_and_bad_addresses_are_left_out()
    {
        await using var other = await FakeEtcd.StartAsync();
        await using var world = await World.StartAsync();
        Answer(world, $$"""{"ID":"1","isLearner":true,"clientURLs":["{{other.Endpoint}}"]}""", """{"ID":"2"}""", Member("http://0.0.0.0:2379"), Member("unix://etcd"));
        await world.Client.Members.RefreshAsync(Never);
        Assert.Single(world.Client.Endpoints.All);
        Assert.Empty(other.Requests("/version"));
    }

    [Fact]
    public async Task Found_members_go_when_they_leave_and_configured_ones_stay()
    {
        await using var other = await FakeEtcd.StartAsync();
        await using var world = await World.StartAsync();
        Answer(world, Member(other.Endpoint));
        await world.Client.Members.RefreshAsync(Never);
        Assert.Equal(2, world.Client.Endpoints.All.Count);
        Answer(world);
        await world.Client.Members.RefreshAsync(Never);
        Assert.Equal(world.Fake.Endpoint, world.Client.Endpoints.All.Single().ToString());
    }

    [Fact]
    public async Task A_member_that_announces_localhost_to_others_is_not_taken_for_this_machine()
    {
        // The configured name stands for another machine; it leads here because the list of members must come from somewhere.
        await using var local = await FakeEtcd.StartAsync();
        await using var world = await World.StartAsync();
        var list = new EndpointList(
            new EtcdOptions { Endpoints = { "http://etcd-1.example:2379" } }, world.Clock, world.Client.Metrics, world.Log);
        var refresh = new MemberRefresh(World.Options(), list, ChannelTo(world), new EtcdHttp(World.Options(), world.Clock), world.Clock, world.Log);
        Answer(world, Member(local.Endpoint), Member("http://localhost:2379"));
        await refresh.RefreshAsync(Never);
        Assert.Equal("http://etcd-1.example:2379", list.All.Single().ToString());
        Assert.Empty(local.All());
    }

    [Theory]
    [InlineData("""{"members":{}}""")]
    [InlineData("""{"members":[{"clientURLs":[7]}]}""")]
    public async Task A_list_that_cannot_be_read_changes_nothing(string body)
    {
        await using var world = await World.StartAsync();
        world.Fake.Script(List, FakeReply.Ok(body));
        await Assert.ThrowsAsync<EtcdException>(() => world.Client.Members.RefreshAsync(Never));
        Assert.Single(world.Client.Endpoints.All);
    }

    private static EtcdChannel ChannelTo(World world)
    {
        var options = World.Options();
        var http = new EtcdHttp(options, world.Clock);
        return new EtcdChannel(
            options, world.Client.Endpoints, http, new EtcdAuthentication(options, http, world.Clock, world.Client.Metrics, world.Log), world.Clock, world.Client.Metrics, world.Log);
    }

    private static string Member(string url) => $$"""{"ID":"15985099378392235387","name":"m","peerURLs":["http://x:2380"],"clientURLs":["{{url}}"]}""";

    private static void Answer(World world, params string[] members) =>
        world.Fake.Script(List, FakeReply.Ok($$$"""{"header":{"cluster_id":"12101053776118486841"},"members":[{{{string.Join(',', members)}}}]}"""));
}
