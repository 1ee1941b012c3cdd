using PushSystem.TestSupport.Servers;

namespace PushSystem.Redis.Tests.Support;

/// <summary>One redis for a class of tests; the tests use different keys.</summary>
public sealed class SingleServer : IAsyncLifetime
{
    public RedisServer Redis { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Redis = await RedisServer.StartAsync();

    public ValueTask DisposeAsync() => Redis.DisposeAsync();
}
