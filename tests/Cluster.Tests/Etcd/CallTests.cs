using System.Text;
using PushSystem.Cluster.Etcd;
using PushSystem.Cluster.Tests.Fake;
using PushSystem.TestSupport;

namespace PushSystem.Cluster.Tests.Etcd;

public sealed class CallTests
{
    private static readonly EtcdTransaction Put = new([EtcdCondition.Absent("/a/1")], [new EtcdWrite("/a/1", "x"u8.ToArray(), 5)]);
    private static readonly CancellationToken Never = CancellationToken.None;

    [Fact]
    public async Task Only_posts_to_v3_paths_are_sent()
    {
        await using var world = await World.StartAsync();
        await world.Client.GetAsync("/a/1", Never);
        await world.Client.ListAsync("/a/", Never);
        await world.Client.CommitAsync(Put, Never);
        await world.Client.GrantAsync(TimeSpan.FromSeconds(10), Never);
        await world.Client.KeepAliveAsync(77, TimeSpan.FromSeconds(1), Never);
        await world.Client.RevokeAsync(77, Never);
        await using var mirror = world.Client.Mirror("/a/");
        await world.Fake.Watch(1);
        Assert.All(world.Fake.All(), request => Assert.True(request is { Method: "POST" } && request.Path.StartsWith("/v3/", StringComparison.Ordinal), request.Path));
    }

    [Fact]
    public async Task Keys_and_values_go_out_in_the_standard_alphabet()
    {
        await using var world = await World.StartAsync();
        await world.Client.CommitAsync(new EtcdTransaction([], [new EtcdWrite("/a/1", new byte[] { 0xfb, 0xff, 0xfe }, 0)]), Never);
        using var body = System.Text.Json.JsonDocument.Parse(world.Fake.Requests("/v3/kv/txn")[0].Body);
        var put = body.RootElement.GetProperty("success")[0].GetProperty("request_put");
        Assert.Equal("+//+", put.GetProperty("value").GetString());
        Assert.Equal(Json.Base64("/a/1"), put.GetProperty("key").GetString());
        Assert.False(put.TryGetProperty("lease", out _));
    }

    [Fact]
    public async Task A_transaction_says_what_it_compares_and_writes()
    {
        await using var world = await World.StartAsync();
        await world.Client.CommitAsync(
            new EtcdTransaction(
                [EtcdCondition.Absent("/k"), new EtcdCondition("/m", EtcdTarget.ModRevision, 9)],
                [new EtcdWrite("/k", "v"u8.ToArray(), long.MaxValue), new EtcdWrite("/m", null, 0)]),
            Never);
        var (k, m, v) = (Json.Base64("/k"), Json.Base64("/m"), Json.Base64("v"));
        Assert.Equal(
            $$"""
            {"compare":[{"result":"EQUAL","target":"CREATE","key":"{{k}}","create_revision":"0"},{"result":"EQUAL","target":"MOD","key":"{{m}}","mod_revision":"9"}],
            "success":[{"request_put":{"key":"{{k}}","value":"{{v}}","lease":"9223372036854775807"} },{"request_delete_range":{"key":"{{m}}"} }]}
            """.Replace("\n", "", StringComparison.Ordinal).Replace("} }", "}}", StringComparison.Ordinal),
            world.Fake.Requests("/v3/kv/txn")[0].Body);
    }

    [Theory]
    [InlineData("\"7587861234567890123\"")]
    [InlineData("7587861234567890123")]
    public async Task Numbers_of_64_bits_are_read_as_text_and_as_numbers(string number)
    {
        await using var world = await World.StartAsync();
        world.Fake.Script("/v3/kv/range", FakeReply.Ok(
            $$$"""{"header":{"revision":{{{number}}}},"kvs":[{"key":"{{{Json.Base64("/a/1")}}}","create_revision":{{{number}}},"mod_revision":{{{number}}},"lease":{{{number}}},"new_member":{"x":[1]}}],"count":"1"}"""));
        var entry = await world.Client.GetAsync("/a/1", Never);
        Assert.Equal((7587861234567890123, 7587861234567890123, 7587861234567890123), (entry!.CreateRevision, entry.ModRevision, entry.Lease));
        Assert.True(entry.Value.IsEmpty);
    }

    [Fact]
    public async Task An_empty_range_has_neither_kvs_nor_count()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script("/v3/kv/range", FakeReply.List(41));
        Assert.Null(await world.Client.GetAsync("/a/1", Never));
        var list = await world.Client.ListAsync("/a/", Never);
        Assert.Empty(list.Entries);
        Assert.Equal(41, list.Revision);
    }

    [Fact]
    public async Task A_transaction_without_succeeded_did_not_hold()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script("/v3/kv/txn", FakeReply.NotDone(8), FakeReply.Done(9));
        Assert.Equal(new EtcdReply(false, 8), await world.Client.CommitAsync(Put, Never));
        Assert.Equal(new EtcdReply(true, 9), await world.Client.CommitAsync(Put, Never));
    }

    [Theory]
    [InlineData("""{"error":"etcdserver: requested lease not found","message":"etcdserver: requested lease not found","code":5}""")]
    [InlineData("""{"code":5,"message":"etcdserver: requested lease not found","details":[]}""")]
    [InlineData("""{"error":{"grpc_code":5,"http_code":404,"message":"etcdserver: requested lease not found","http_status":"Not Found"}}""")]
    [InlineData("""{"error":{"code":5,"message":"etcdserver: requested lease not found","details":[]}}""")]
    public async Task An_error_is_read_in_every_shape(string body)
    {
        await using var world = await World.StartAsync(fakes: 2);
        foreach (var fake in world.Fakes)
            fake.Script("/v3/kv/txn", new FakeReply(404, body));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.CommitAsync(Put, Never));
        Assert.True(exception.IsRefused);
        Assert.Equal(5, exception.Code);
        Assert.Contains("requested lease not found", exception.Message);
        Assert.Single(world.Fakes.SelectMany(fake => fake.Requests("/v3/kv/txn")));
    }

    [Fact]
    public async Task An_error_counts_although_the_status_is_200_and_a_result_stands_beside_it()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script("/v3/lease/keepalive", FakeReply.Ok("""{"result":{"ID":"77","TTL":"10"},"error":{"grpc_code":7,"http_code":403,"message":"etcdserver: permission denied","http_status":"Forbidden"}}"""));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.KeepAliveAsync(77, TimeSpan.FromSeconds(1), Never));
        Assert.True(exception.IsRefused);
        Assert.Equal(7, exception.Code);
    }

    [Theory]
    [InlineData("{\"header\":{\"revision\":\"7\"")]
    [InlineData("<html>busy</html>")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task A_reply_that_is_no_reply_leaves_a_write_open_and_moves_a_read_on(string body)
    {
        await using var world = await World.StartAsync(fakes: 2);
        foreach (var fake in world.Fakes)
            fake.Script("/v3/kv/txn", FakeReply.Ok(body));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.CommitAsync(Put, Never));
        Assert.False(exception.IsRefused);
        Assert.Single(world.Fakes.SelectMany(fake => fake.Requests("/v3/kv/txn")));

        var broken = FirstOf(world);
        broken.Script("/v3/kv/range", FakeReply.Ok(body));
        world.Fakes.First(fake => fake != broken).Script("/v3/kv/range", FakeReply.List(5));
        Assert.Equal(5, (await world.Client.ListAsync("/a/", Never)).Revision);
    }

    [Theory]
    [InlineData("""{"header":{},"kvs":[]}""")]
    [InlineData("""{"kvs":[]}""")]
    [InlineData("""{"header":{"revision":"x"}}""")]
    [InlineData("""{"header":{"revision":"7"},"kvs":{}}""")]
    [InlineData("""{"header":{"revision":"7"},"kvs":[{"key":"_-"}]}""")]
    [InlineData("""{"header":{"revision":"7"},"kvs":[7]}""")]
    [InlineData("""{"header":{"revision":"99999999999999999999"}}""")]
    public async Task A_reply_of_the_wrong_shape_is_an_EtcdException(string body)
    {
        await using var world = await World.StartAsync();
        world.Fake.Script("/v3/kv/range", FakeReply.Ok(body));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.ListAsync("/a/", Never));
        Assert.False(exception.IsRefused);
    }

    [Fact]
    public async Task A_write_whose_connection_broke_is_not_sent_again()
    {
        await using var world = await World.StartAsync(fakes: 2);
        foreach (var fake in world.Fakes)
            fake.Script("/v3/kv/txn", FakeReply.Cut);
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.CommitAsync(Put, Never));
        Assert.False(exception.IsRefused);
        Assert.Single(world.Fakes.SelectMany(fake => fake.Requests("/v3/kv/txn")));
    }

    [Fact]
    public async Task A_read_whose_connection_broke_is_sent_to_the_next_endpoint()
    {
        await using var world = await World.StartAsync(fakes: 2);
        var broken = FirstOf(world);
        broken.Script("/v3/kv/range", FakeReply.Cut);
        world.Fakes.First(fake => fake != broken).Script("/v3/kv/range", FakeReply.List(5));
        Assert.Equal(5, (await world.Client.ListAsync("/a/", Never)).Revision);
        Assert.Equal(1, world.Log.Count(7000));
    }

    [Fact]
    public async Task A_write_goes_to_the_next_endpoint_when_nothing_was_sent()
    {
        var dead = $"http://127.0.0.1:{FreePorts.Take(1)[0]}";
        await using var world = await World.StartAsync(options =>
        {
            for (var i = 0; i < 8; i++)
                options.Endpoints.Insert(0, i == 0 ? dead : $"http://127.0.0.1:{FreePorts.Take(1)[0]}");
        });
        Assert.True((await world.Client.CommitAsync(Put, Never)).Succeeded);
    }

    [Theory]
    [InlineData(503, """{"error":"etcdserver: leader changed","message":"etcdserver: leader changed","code":14}""")]
    [InlineData(500, """{"error":"etcdserver: request timed out","message":"etcdserver: request timed out","code":2}""")]
    [InlineData(502, "Bad Gateway")]
    [InlineData(404, "404 page not found")]
    [InlineData(307, "http://127.0.0.1:1/")]
    public async Task An_endpoint_that_cannot_serve_is_left_but_a_write_stays_open(int status, string body)
    {
        await using var world = await World.StartAsync(fakes: 2);
        var broken = FirstOf(world);
        var other = world.Fakes.First(fake => fake != broken);
        broken.Script("/v3/kv/range", new FakeReply(status, body));
        broken.Script("/v3/kv/txn", new FakeReply(status, body));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.CommitAsync(Put, Never));
        Assert.False(exception.IsRefused);
        Assert.Empty(other.Requests("/v3/kv/txn"));
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        world.Client.Endpoints.Succeeded(world.Client.Endpoints.All.First(one => one.ToString() == broken.Endpoint));
        await world.Client.ListAsync("/a/", Never);
        Assert.Single(other.Requests("/v3/kv/range"));
    }

    [Fact]
    public async Task A_silent_endpoint_is_left_after_the_attempt_timeout()
    {
        await using var world = await World.StartAsync(options => options.AttemptTimeout = TimeSpan.FromSeconds(2), fakes: 2);
        var silent = FirstOf(world);
        silent.Script("/v3/kv/range", FakeReply.Silence);
        var call = world.Client.GetAsync("/a/1", Never).AsTask();
        await silent.Request("/v3/kv/range", 1);
        world.Clock.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(call.IsCompleted);
        world.Clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Null(await Waiting.For(call, "the answer of the other endpoint"));
    }

    [Fact]
    public async Task A_call_gives_up_at_its_deadline()
    {
        await using var world = await World.StartAsync(options => options.CallTimeout = options.AttemptTimeout = TimeSpan.FromSeconds(5));
        world.Fake.Script("/v3/kv/txn", FakeReply.Silence);
        var call = world.Client.CommitAsync(Put, Never).AsTask();
        await world.Fake.Request("/v3/kv/txn", 1);
        world.Clock.Advance(TimeSpan.FromSeconds(5));
        var exception = await Assert.ThrowsAsync<EtcdException>(() => Waiting.For(call, "the end of the call"));
        Assert.False(exception.IsRefused);
        Assert.Contains("CallTimeout", exception.Message);
    }

    [Fact]
    public async Task The_callers_cancellation_is_no_failure_of_etcd()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script("/v3/kv/range", FakeReply.Silence);
        using var source = new CancellationTokenSource();
        var call = world.Client.GetAsync("/a/1", source.Token).AsTask();
        await world.Fake.Request("/v3/kv/range", 1);
        await source.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Waiting.For(call, "the end of the call"));
        Assert.Equal(0, world.Client.Endpoints.All[0].Failures);
    }

    [Fact]
    public async Task A_failed_endpoint_is_spared_until_its_pause_is_over_and_used_when_there_is_no_other()
    {
        await using var world = await World.StartAsync(options => options.BackOffMin = options.BackOffMax = TimeSpan.FromSeconds(10), fakes: 2);
        var list = world.Client.Endpoints;
        var first = list.Pick()!;
        list.Failed(first, "test");
        var second = list.Pick()!;
        Assert.NotSame(first, second);
        Assert.Same(second, list.Pick());
        world.Clock.Advance(TimeSpan.FromSeconds(1));
        list.Failed(second, "test");
        // Both wait: there is still an answer, but none beyond those that were tried.
        Assert.NotNull(list.Pick());
        Assert.Null(list.Pick([first, second]));
        world.Clock.Advance(TimeSpan.FromSeconds(20));
        list.Succeeded(second);
        list.Failed(second, "test");
        Assert.Same(first, list.Pick());
    }

    [Fact]
    public async Task What_is_too_large_is_not_sent()
    {
        await using var world = await World.StartAsync(options => options.MaxRequestBytes = 2000);
        var exception = await Assert.ThrowsAsync<EtcdException>(async () =>
            await world.Client.CommitAsync(new EtcdTransaction([], [new EtcdWrite("/a/1", new byte[1996], 0), new EtcdWrite("/b", new byte[1], 0)]), Never));
        Assert.True(exception.IsRefused);
        Assert.Contains("2003", exception.Message);
        Assert.Contains("MaxRequestBytes", exception.Message);
        exception = await Assert.ThrowsAsync<EtcdException>(async () =>
            await world.Client.CommitAsync(new EtcdTransaction([], [.. Enumerable.Range(0, 129).Select(i => new EtcdWrite($"/{i}", null, 0))]), Never));
        Assert.Contains("128", exception.Message);
        Assert.Empty(world.Fake.All());
    }

    [Fact]
    public async Task A_reply_above_the_limit_is_not_read()
    {
        await using var world = await World.StartAsync(options => options.MaxReplyBytes = 2000);
        world.Fake.Script("/v3/kv/range", FakeReply.List(5, ("/a/1", new string('x', 3000), 1, 1)));
        var exception = await Assert.ThrowsAsync<EtcdException>(async () => await world.Client.ListAsync("/a/", Never));
        Assert.Contains("MaxReplyBytes", exception.Message);
    }

    [Fact]
    public async Task A_long_list_is_read_in_pages_of_one_revision()
    {
        await using var world = await World.StartAsync();
        world.Fake.Script(
            "/v3/kv/range",
            FakeReply.Ok($$$"""{"header":{"revision":"30"},"kvs":[{{{Json.Kv("/a/1", "x", 1, 1)}}},{{{Json.Kv("/a/2", "x", 2, 2)}}}],"more":true,"count":"3"}"""),
            FakeReply.Ok($$$"""{"header":{"revision":"31"},"kvs":[{{{Json.Kv("/a/3", "x", 3, 3)}}}],"count":"1"}"""));
        var list = await world.Client.ListAsync("/a/", Never);
        Assert.Equal(["/a/1", "/a/2", "/a/3"], list.Entries.Select(entry => entry.Key));
        Assert.Equal(30, list.Revision);
        var pages = world.Fake.Requests("/v3/kv/range");
        Assert.Equal(("", "30"), (pages[0]["revision"], pages[1]["revision"]));
        Assert.Equal((Json.Base64("/a/"), Json.Base64("/a/2\0")), (pages[0]["key"], pages[1]["key"]));
        Assert.Equal(Json.Base64("/a0"), pages[1]["range_end"]);
    }

    [Fact]
    public void The_end_of_a_prefix_is_the_first_key_behind_it()
    {
        Assert.Equal("/a0"u8.ToArray(), EtcdRequests.PrefixEnd("/a/"u8.ToArray()));
        Assert.Equal([1, 3], EtcdRequests.PrefixEnd([1, 2, 0xff]));
        Assert.Equal([0], EtcdRequests.PrefixEnd([0xff, 0xff]));
        Assert.Equal([0], EtcdRequests.PrefixEnd([]));
    }

    [Theory]
    [InlineData("Endpoints", "etcd:2379")]
    [InlineData("Endpoints", "http://etcd:2379/v3")]
    [InlineData("Endpoints", "ftp://etcd")]
    public void Options_that_cannot_work_are_named(string name, string endpoint)
    {
        var exception = Assert.Throws<ArgumentException>(new EtcdOptions { Endpoints = { endpoint } }.Validate);
        Assert.Contains(name, exception.Message);
        Assert.Contains(endpoint, exception.Message);
        Assert.Contains("Endpoints", Assert.Throws<ArgumentException>(new EtcdOptions().Validate).Message);
        Assert.Contains("AttemptTimeout", Assert.Throws<ArgumentException>(
            new EtcdOptions { Endpoints = { "http://etcd:2379" }, AttemptTimeout = TimeSpan.FromMinutes(1) }.Validate).Message);
        Assert.Contains("Password", Assert.Throws<ArgumentException>(new EtcdOptions { Endpoints = { "http://etcd:2379" }, Password = "x" }.Validate).Message);
    }

    /// <summary>The fake that the next call goes to.</summary>
    private static FakeEtcd FirstOf(World world)
    {
        var next = world.Client.Endpoints.Pick()!.ToString();
        return world.Fakes.First(fake => fake.Endpoint == next);
    }
}
