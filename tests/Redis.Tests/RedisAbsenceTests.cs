using PushSystem.Redis.Tests.Support;
using PushSystem.TestSupport;
using PushSystem.TestSupport.Servers;

namespace PushSystem.Redis.Tests;

/// <summary>A server that is killed, restarted, or silent.</summary>
public sealed class RedisAbsenceTests : IAsyncLifetime
{
    private RedisServer _redis = null!;

    public async ValueTask InitializeAsync() => _redis = await RedisServer.StartAsync();

    public ValueTask DisposeAsync() => _redis.DisposeAsync();

    [Fact]
    public async Task After_a_restart_scripts_run_and_the_data_has_another_id()
    {
        await using var link = await Links.OpenAsync(_redis.EndPoint);
        var returned = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        link.Reconnected += () => returned.TrySetResult();
        await link.RunAsync(Links.Set, "key", "x");
        var before = await link.DataIdAsync("key", default);
        await _redis.RestartAsync();
        await Waiting.For(returned.Task, "the link is connected again");

        Assert.Equal("1", await link.WhenBackAsync(Links.Set, "key", "y"));
        Assert.NotEqual(before, await link.DataIdAsync("key", default));
    }

    [Fact]
    public async Task A_call_under_way_when_the_server_dies_has_an_unknown_outcome()
    {
        await using var link = await Links.OpenAsync(_redis.EndPoint, options => options.Timeout = TimeSpan.FromSeconds(30));
        _redis.Stop();
        var call = link.RunAsync(Links.Set, "key", "x");
        await _redis.Kill();

        Assert.False((await Assert.ThrowsAsync<RedisUnavailableException>(() => call)).IsUndone);
        Assert.True((await Assert.ThrowsAsync<RedisUnavailableException>(() => link.RunAsync(Links.Set, "key", "x"))).IsUndone);
        await _redis.RestartAsync();
        Assert.Equal("1", await link.WhenBackAsync(Links.Set, "key", "x"));
    }

    [Fact]
    public async Task A_silent_server_costs_a_bounded_number_of_calls_and_is_found_again()
    {
        await using var link = await Links.OpenAsync(_redis.EndPoint, options =>
        {
            options.Timeout = TimeSpan.FromMilliseconds(100);
            options.SilenceLimit = TimeSpan.FromSeconds(1);
            options.ConnectTimeout = TimeSpan.FromMilliseconds(500);
            options.MaxInFlight = 100;
        });
        await link.RunAsync(Links.Set, "key", "x");
        var replaced = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        link.Reconnected += () => replaced.TrySetResult();
        _redis.Stop();
        var failures = new List<RedisUnavailableException>();
        var calls = Enumerable.Range(0, 300).Select(_ => link.RunAsync(Links.Get, "key")).ToArray();
        foreach (var call in calls)
            failures.Add(await Assert.ThrowsAsync<RedisUnavailableException>(() => call));
        Assert.Equal(100, failures.Count(failure => !failure.IsUndone));
        Assert.Equal(200, failures.Count(failure => failure.IsUndone));
        await Waiting.For(replaced.Task, "the silent connection is replaced");
        Assert.True((await Assert.ThrowsAsync<RedisUnavailableException>(() => link.RunAsync(Links.Get, "key"))).IsUndone);
        _redis.Continue();

        Assert.Equal("x", await link.WhenBackAsync(Links.Get, "key"));
        var all = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => link.RunAsync(Links.Get, "key")));
        Assert.All(all, value => Assert.Equal("x", value));
    }

    [Fact]
    public async Task A_silent_server_with_full_sockets_is_found_again()
    {
        await using var link = await Links.OpenAsync(_redis.EndPoint, options =>
        {
            options.Timeout = TimeSpan.FromMilliseconds(100);
            options.SilenceLimit = TimeSpan.FromSeconds(1);
            options.ConnectTimeout = TimeSpan.FromMilliseconds(500);
        });
        var replaced = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        link.Reconnected += () => replaced.TrySetResult();
        _redis.Stop();
        var large = new byte[1024 * 1024];
        var calls = Enumerable.Range(0, 100).Select(_ => link.RunAsync(Links.Set, "key", large)).ToArray();
        var undone = 0;
        foreach (var call in calls)
            undone += (await Assert.ThrowsAsync<RedisUnavailableException>(() => call)).IsUndone ? 1 : 0;
        // 64 MiB may be under way; each call counts a little more than its value.
        Assert.InRange(undone, 100 - 63, 100 - 60);
        await Waiting.For(replaced.Task, "the silent connection is replaced");
        _redis.Continue();

        Assert.Equal("1", await link.WhenBackAsync(Links.Set, "other", "x"));
    }
}
