using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Register.Redis;

namespace PushSystem.Register.Tests.Support;

/// <summary>Registries on one redis that share a key prefix of their own, with a link each. Disposed by the test.</summary>
public sealed class RedisRegistries(string endPoints, IRoomDirectory rooms, TimeProvider time) : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _made = [];

    /// <summary>The prefix.</summary>
    public string Prefix { get; } = Guid.NewGuid().ToString("N");

    /// <summary>All that were made, the link after its registry.</summary>
    public IRedisLink Link { get; private set; } = null!;

    /// <summary>One more register.</summary>
    public async Task<RedisSessionRegistry> OpenAsync(
        Action<RegisterOptions>? change = null, Action<RedisOptions>? link = null, Func<long>? revision = null, ILogger? logger = null)
    {
        var redis = new RedisOptions { EndPoints = endPoints };
        link?.Invoke(redis);
        var options = new RegisterOptions { Parts = 8, BucketsPerPart = 4, KeyPrefix = Prefix, SweepBucketsPerSecond = 100_000 };
        change?.Invoke(options);
        Link = await RedisLink.OpenAsync(redis, "register", TimeProvider.System, NullLogger.Instance);
        var registry = new RedisSessionRegistry(Link, options, rooms, revision, time, logger ?? NullLogger.Instance);
        _made.Add(Link);
        _made.Add(registry);
        return registry;
    }

    public async ValueTask DisposeAsync()
    {
        for (var i = _made.Count - 1; i >= 0; i--)
            await _made[i].DisposeAsync();
    }
}
