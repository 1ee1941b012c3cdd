using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Tests.Fake;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Etcd;

public sealed class AuthenticationTests
{
    private const string Authenticate = "/v3/auth/authenticate", Range = "/v3/kv/range", Txn = "/v3/kv/txn";
    private static readonly EtcdTransaction Put = new([], [new EtcdWrite("/a/1", "x"u8.ToArray(), 0)]);
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task One_token_serves_all_calls_and_stands_alone_in_its_header()
    {
        await using var world = await Start();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => world.Client.GetAsync("/a/1", Never).AsTask()));
        Assert.Single(world.Fake.Requests(Authenticate));
        Assert.Equal("""{"name":"node","password":"secret"}""", world.Fake.Requests(Authenticate)[0].Body);
        Assert.All(world.Fake.Requests(Range), request => Assert.Equal("t.1", request.Authorization));
    }

    [Fact]
    public async Task A_refused_token_is_replaced_once_and_the_call_made_again_even_a_write()
    {
        await using var world = await Start();
        world.Fake.Script(Txn, request => Task.FromResult(request.Authorization == "t.1" ? FakeReply.BadToken : FakeReply.Done(4)));
        Assert.True((await world.Client.CommitAsync(Put, Never)).Succeeded);
        Assert.Equal(["t.1", "t.2"], world.Fake.Requests(Txn).Select(request => request.Authorization));
        Assert.Equal(2, world.Fake.Requests(Authenticate).Count);
    }

    [Fact]
    public async Task Many_calls_with_one_refused_token_fetch_one_new_token()
    {
        await using var world = await Start();
        await world.Client.GetAsync("/a/1", Never);
        world.Fake.Script(Range, request => Task.FromResult(request.Authorization == "t.1" ? FakeReply.BadToken : FakeReply.List(4)));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => world.Client.GetAsync("/a/1", Never).AsTask()));
        Assert.Equal(2, world.Fake.Requests(Authenticate).Count);
    }

    [Fact]
    public async Task A_fresh_token_that_one_member_does_not_know_yet_is_tried_on_the_next()
    {
        await using var world = await Start(fakes: 2);
        var first = world.Fakes.First(fake => fake.Endpoint == world.Client.Endpoints.Pick()!.ToString());
        first.Script(Range, FakeReply.BadToken);
        var other = world.Fakes.First(fake => fake != first);
        Assert.Null(await world.Client.GetAsync("/a/1", Never));
        Assert.Equal("t.2", other.Requests(Range).Single().Authorization);
        Assert.Equal(2, first.Requests(Authenticate).Count);
        Assert.Empty(other.Requests(Authenticate));
    }

    [Fact]
    public async Task Tokens_that_are_never_taken_back_off()
    {
        await using var world = await Start();
        world.Fake.Script(Range, FakeReply.BadToken);
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.GetAsync("/a/1", Never));
        Assert.True(exception.IsRefused);
        Assert.Equal(2, world.Fake.Requests(Authenticate).Count);
        for (var i = 0; i < 10; i++)
            await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.GetAsync("/a/1", Never));
        Assert.Equal(2, world.Fake.Requests(Authenticate).Count);
        world.Fake.Script(Range, FakeReply.List(3));
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(await world.Client.GetAsync("/a/1", Never));
        Assert.Equal(3, world.Fake.Requests(Authenticate).Count);
    }

    [Fact]
    public async Task A_wrong_password_is_told_and_not_tried_again_at_once()
    {
        await using var world = await Start();
        world.Fake.Script(Authenticate, FakeReply.Error(400, 3, "etcdserver: authentication failed, invalid user ID or password"));
        for (var i = 0; i < 5; i++)
        {
            var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.GetAsync("/a/1", Never));
            Assert.True(exception.IsRefused);
        }
        Assert.Single(world.Fake.Requests(Authenticate));
        Assert.Empty(world.Fake.Requests(Range));
        Assert.Contains(world.Log.Lines, line => line.Id == 7005 && line.Text.Contains("invalid user ID", StringComparison.Ordinal));
        Assert.DoesNotContain(world.Log.Lines, line => line.Text.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Authentication_that_is_off_is_gone_without_until_etcd_asks_for_it()
    {
        await using var world = await Start();
        world.Fake.Script(Authenticate, FakeReply.Error(412, 9, "etcdserver: authentication is not enabled"), FakeReply.Token("t.9"));
        Assert.Null(await world.Client.GetAsync("/a/1", Never));
        Assert.Null(world.Fake.Requests(Range)[0].Authorization);
        world.Fake.Script(Range, request => Task.FromResult(
            request.Authorization is null ? FakeReply.Error(400, 3, "etcdserver: user name is empty") : FakeReply.List(3)));
        Assert.Null(await world.Client.GetAsync("/a/1", Never));
        Assert.Equal("t.9", world.Fake.Requests(Range)[^1].Authorization);
    }

    [Theory]
    [InlineData(400, 3, "etcdserver: revision of auth store is old")]
    [InlineData(400, 3, "etcdserver: user name is empty")]
    [InlineData(401, 16, "etcdserver: invalid auth token")]
    public async Task Every_answer_that_a_new_token_may_cure_gets_one(int status, int code, string message)
    {
        await using var world = await Start();
        world.Fake.Script(Range, FakeReply.Error(status, code, message), FakeReply.List(3));
        Assert.Null(await world.Client.GetAsync("/a/1", Never));
        Assert.Equal(2, world.Fake.Requests(Authenticate).Count);
    }

    [Fact]
    public async Task Without_a_user_the_error_names_the_option()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script(Range, FakeReply.Error(400, 3, "etcdserver: user name is empty"));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.GetAsync("/a/1", Never));
        Assert.True(exception.IsRefused);
        Assert.Contains("Etcd:User", exception.Message);
    }

    [Fact]
    public async Task A_permission_that_is_missing_needs_no_new_token()
    {
        await using var world = await Start();
        world.Fake.Script(Range, FakeReply.Error(403, 7, "etcdserver: permission denied"));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.GetAsync("/a/1", Never));
        Assert.Equal((true, 7), (exception.IsRefused, exception.Code));
        Assert.Single(world.Fake.Requests(Authenticate));
    }

    [Fact]
    public async Task After_a_restart_of_etcd_clients_wait_a_random_time_before_they_authenticate()
    {
        await using var world = await Start(options => options.AuthenticationSpread = TimeSpan.FromSeconds(30));
        await world.Client.GetAsync("/a/1", Never);
        world.Fake.Script(Range, FakeReply.BadToken, FakeReply.List(3));
        var call = world.Client.GetAsync("/a/1", Never).AsTask();
        await world.Fake.Request(Range, 2);
        Assert.Null(await world.Advance(call, TimeSpan.FromMilliseconds(100)));
        Assert.Equal(2, world.Fake.Requests(Authenticate).Count);
        Assert.True(world.Clock.GetUtcNow() > new FakeClock().GetUtcNow());
    }

    [Fact]
    public async Task A_write_whose_token_could_not_be_fetched_goes_to_the_next_endpoint()
    {
        await using var world = await Start(fakes: 2);
        var first = world.Fakes.First(fake => fake.Endpoint == world.Client.Endpoints.Pick()!.ToString());
        first.Script(Authenticate, FakeReply.Cut);
        Assert.True((await world.Client.CommitAsync(Put, Never)).Succeeded);
        Assert.Empty(first.Requests(Txn));
    }

    private static async Task<World> Start(Action<EtcdOptions>? change = null, int fakes = 1)
    {
        var world = await World.StartAsync(
            options =>
            {
                (options.User, options.Password) = ("node", "secret");
                change?.Invoke(options);
            },
            fakes);
        var tokens = 0;
        foreach (var fake in world.Fakes)
            fake.Script(Authenticate, _ => Task.FromResult(FakeReply.Token($"t.{Interlocked.Increment(ref tokens)}")));
        return world;
    }
}
