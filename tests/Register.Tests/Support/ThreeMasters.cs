using PushSystem.TestSupport.Servers;

namespace PushSystem.Register.Tests.Support;

/// <summary>A cluster of three masters for a class of tests; each test has keys of its own.</summary>
public sealed class ThreeMasters : IAsyncLifetime
{
    public RedisCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Cluster = await RedisCluster.StartAsync();

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();
}
