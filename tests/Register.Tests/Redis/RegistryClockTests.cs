using PushSystem.Contracts;
using PushSystem.Register.Tests.Support;
using PushSystem.TestSupport;

namespace PushSystem.Register.Tests.Redis;

/// <summary>Requests and the passing of time.</summary>
public sealed class RegistryClockTests(SingleServer server) : IClassFixture<SingleServer>, IAsyncLifetime
{
    private static readonly SessionEntry Ann = new() { Key = new UserKey("shop", "ann"), Room = "r1", Incarnation = 10, Connection = 1 };

    private readonly FakeClock _time = new();
    private RedisRegistries _registries = null!;

    public ValueTask InitializeAsync()
    {
        _registries = new RedisRegistries(server.Redis.EndPoint, new FakeRooms(), _time);
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync() => _registries.DisposeAsync();

    [Fact]
    public async Task A_jump_of_clocks_is_noticed_and_costs_one_more_round_trip()
    {
        using var metrics = new Measurements();
        var registry = await _registries.OpenAsync();
        await registry.BindAsync([Ann], default);
        // Our time goes back by an hour as seen from redis, so every deadline seems to have passed there.
        foreach (var part in registry.Parts)
            part.LearnClock(0, reset: true);
        var reply = (await registry.BindAsync([Ann with { Connection = 2 }], default))[0];

        Assert.Equal(1ul, reply.Previous!.Connection);
        Assert.True(metrics["push_register_late_scripts"] > 0);
        Assert.True((await registry.UnbindAsync([Ann with { Connection = 2 }], default))[0]);
    }

    [Fact]
    public async Task Nothing_is_begun_for_a_caller_that_has_gone()
    {
        var registry = await _registries.OpenAsync();
        server.Redis.Stop();
        using var gone = new CancellationTokenSource();
        var first = registry.BindAsync([Ann], default).AsTask();
        var second = registry.BindAsync([Ann with { Connection = 2 }], gone.Token).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        server.Redis.Continue();
        try
        {
            await first;
        }
        catch (StoreUnavailableException)
        {
            // The server was held for longer than a call may take: the machine is slow, and the rest holds as well.
        }

        var found = (await WhenBack.RunAsync(() => registry.LookupAsync([Ann.Key], default).AsTask()))[0];
        Assert.NotEqual(2ul, found?.Connection);
    }
}
