using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace PushSystem.Redis.Tests.Support;

/// <summary>Links for tests, and scripts to run over them.</summary>
internal static class Links
{
    public static readonly RedisScript Append = new("test.append.1", "return redis.call('APPEND', KEYS[1], ARGV[1])");
    public static readonly RedisScript Set = new("test.set.1", "redis.call('SET', KEYS[1], ARGV[1]) return 1");
    public static readonly RedisScript Get = new("test.get.1", "return redis.call('GET', KEYS[1])");

    public static Task<RedisLink> OpenAsync(string endPoints, Action<RedisOptions>? change = null)
    {
        var options = new RedisOptions { EndPoints = endPoints };
        change?.Invoke(options);
        return RedisLink.OpenAsync(options, "test", TimeProvider.System, NullLogger.Instance);
    }

    public static async Task<string?> RunAsync(this IRedisLink link, RedisScript script, string key, params RedisValue[] values) =>
        (string?)await link.EvalAsync(script, [key], values, CancellationToken.None);

    /// <summary>Repeats the call until redis serves; other errors than its absence end it.</summary>
    public static async Task<string?> WhenBackAsync(this IRedisLink link, RedisScript script, string key, params RedisValue[] values)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await link.RunAsync(script, key, values);
            }
            catch (RedisUnavailableException) when (TimeProvider.System.GetElapsedTime(started) < TestSupport.Waiting.Limit)
            {
                await Task.Delay(20);
            }
        }
    }
}
