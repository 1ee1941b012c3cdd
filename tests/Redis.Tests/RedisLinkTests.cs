using System.ComponentModel.DataAnnotations;
using PushSystem.Redis.Tests.Support;
using StackExchange.Redis;

namespace PushSystem.Redis.Tests;

/// <summary>Scripts, errors and bounds against one server.</summary>
public sealed class RedisLinkTests(SingleServer server) : IClassFixture<SingleServer>
{
    [Fact]
    public async Task A_script_that_the_server_does_not_know_is_sent_whole_once()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);
        await server.Redis.CliAsync("script", "flush");

        Assert.Equal("1", await link.RunAsync(Links.Append, "once", "x"));
        Assert.Equal("2", await link.RunAsync(Links.Append, "once", "x"));
        await server.Redis.CliAsync("script", "flush");
        Assert.Equal("3", await link.RunAsync(Links.Append, "once", "x"));
        Assert.Contains(",number_of_cached_scripts:1", "," + string.Join(',', (await server.Redis.CliAsync("info", "memory")).Split('\n')));
    }

    [Fact]
    public async Task Many_calls_are_under_way_at_once_and_each_gets_its_own_answer()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);
        await Task.WhenAll(Enumerable.Range(0, 5_000).Select(i => link.RunAsync(Links.Set, $"many{i}", i)));
        var found = await Task.WhenAll(Enumerable.Range(0, 5_000).Select(i => link.RunAsync(Links.Get, $"many{i}")));

        Assert.Equal(Enumerable.Range(0, 5_000).Select(i => $"{i}"), found);
        Assert.Null(link.Failure);
    }

    [Fact]
    public async Task Bytes_arrive_as_they_were()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);
        var bytes = new byte[70_000];
        Random.Shared.NextBytes(bytes);
        await link.RunAsync(Links.Set, "bytes", bytes);

        Assert.Equal(bytes, (byte[]?)await link.EvalAsync(Links.Get, ["bytes"], [], default));
    }

    [Fact]
    public async Task A_command_runs_without_a_script()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);

        Assert.Equal(2, (int)await link.ExecuteAsync("RPUSH", "list", ["a", "b"], default));
        Assert.Equal(["a", "b"], (string[]?)await link.ExecuteAsync("LRANGE", "list", [0, -1], default) ?? []);
    }

    [Fact]
    public async Task An_error_in_a_script_is_no_absence_of_redis()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);
        var bad = new RedisScript("test.bad.1", "return redis.call('INCR', KEYS[1], 'too', 'many')");

        await Assert.ThrowsAsync<RedisServerException>(() => link.RunAsync(bad, "bad"));
        Assert.Null(link.Failure);
    }

    [Fact]
    public async Task A_script_without_a_key_is_refused()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);
        await Assert.ThrowsAsync<ArgumentException>(() => link.EvalAsync(Links.Get, [], [], default));
    }

    [Fact]
    public async Task A_redis_that_is_away_is_said_so_at_once()
    {
        await using var link = await Links.OpenAsync("127.0.0.1:1", options => options.ConnectTimeout = TimeSpan.FromMilliseconds(50));
        var refusal = await Assert.ThrowsAsync<RedisUnavailableException>(() => link.RunAsync(Links.Get, "key"));

        Assert.True(refusal.IsUndone);
        Assert.Contains("test.get.1", refusal.Message);
        Assert.NotNull(link.Failure);
    }

    [Fact]
    public async Task A_slow_script_ends_at_the_deadline_with_an_unknown_outcome()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint, options => options.Timeout = TimeSpan.FromMilliseconds(100));
        var slow = new RedisScript("test.slow.1", "for i = 1, 150000000 do end redis.call('SET', KEYS[1], 'done') return 1");
        var late = await Assert.ThrowsAsync<RedisUnavailableException>(() => link.RunAsync(slow, "slow"));

        Assert.False(late.IsUndone);
        Assert.Equal("done", await link.WhenBackAsync(Links.Get, "slow"));
        Assert.Null(link.Failure);
    }

    [Fact]
    public async Task More_calls_than_the_bound_are_refused_and_the_rest_is_answered()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint, options => options.MaxInFlight = 10);
        var slow = new RedisScript("test.slow.2", "for i = 1, 3000000 do end return 1");
        var calls = Enumerable.Range(0, 12).Select(_ => link.RunAsync(slow, "bound")).ToArray();
        var refused = await Assert.ThrowsAsync<RedisUnavailableException>(() => Task.WhenAll(calls));

        Assert.True(refused.IsUndone);
        Assert.Contains("MaxInFlight 10", refused.Message);
        Assert.Equal(10, calls.Count(call => call.IsCompletedSuccessfully));
        Assert.Equal("1", await link.RunAsync(Links.Set, "bound", "x"));
    }

    [Fact]
    public async Task A_cancelled_call_says_so()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => link.EvalAsync(Links.Get, ["key"], [], new CancellationToken(true)));
    }

    [Fact]
    public async Task The_id_of_the_data_is_the_same_until_the_server_restarts()
    {
        await using var link = await Links.OpenAsync(server.Redis.EndPoint);
        await using var other = await Links.OpenAsync(server.Redis.EndPoint);
        var id = await link.DataIdAsync("a", default);

        Assert.Equal(id, await link.DataIdAsync("b", default));
        Assert.Equal(id, await other.DataIdAsync("c", default));
        Assert.Matches("^[0-9a-f]{40}-[0-9a-f]{40}$", id);
    }

    [Theory]
    [InlineData("EndPoints", "")]
    [InlineData("EndPoints", "host")]
    [InlineData("EndPoints", "host:0")]
    [InlineData("EndPoints", "host:70000")]
    [InlineData("TlsCaFile", "/nowhere/ca.pem")]
    public async Task A_wrong_option_is_named(string option, string value)
    {
        var options = new RedisOptions();
        typeof(RedisOptions).GetProperty(option)!.SetValue(options, value);
        var refusal = await Assert.ThrowsAsync<ValidationException>(() => RedisLink.OpenAsync(
            options, "test", TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance));

        Assert.Contains(option, refusal.ValidationResult.MemberNames);
    }
}
