using PushSystem.TestSupport.Servers;

namespace PushSystem.Register.Tests.Support;

/// <summary>One redis for a class of tests; each test has keys of its own.</summary>
public sealed class SingleServer : IAsyncLifetime
{
    /// <summary>What a deployment must set.</summary>
    public static readonly string[] Settings = ["--hash-max-listpack-entries", "512", "--hash-max-listpack-value", "512"];

    public RedisServer Redis { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Redis = await RedisServer.StartAsync(Settings);

    public ValueTask DisposeAsync() => Redis.DisposeAsync();
}
