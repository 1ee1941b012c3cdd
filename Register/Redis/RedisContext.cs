using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Redis;
using StackExchange.Redis;

namespace PushSystem.Register.Redis;

/// <summary>What all parts share. Thread-safe. Owned by <see cref="RedisSessionRegistry"/>; the link is not.</summary>
internal sealed class RedisContext : IDisposable
{
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(10);

    private long _waiting;
    private long _garbageLogged;

    public RedisContext(IRedisLink link, RegisterOptions options, TimeProvider time, ILogger logger)
    {
        Link = link;
        Options = options;
        Time = time;
        Logger = logger;
        Metrics = new RedisRegisterMetrics(() => Interlocked.Read(ref _waiting));
    }

    public IRedisLink Link { get; }

    public RegisterOptions Options { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    public RedisRegisterMetrics Metrics { get; }

    /// <summary>Runs a script; whatever goes wrong is a <see cref="StoreUnavailableException"/>.</summary>
    public async Task<RedisResult> RunAsync(RedisScript script, RedisKey[] keys, RedisValue[] values, CancellationToken cancellationToken)
    {
        try
        {
            return await Link.EvalAsync(script, keys, values, cancellationToken);
        }
        catch (RedisUnavailableException exception)
        {
            throw new StoreUnavailableException(exception.Message, exception);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // Not a matter of time: somebody else writes to these keys, or the script is wrong.
            RegisterLog.ScriptFailed(Logger, script.Name, exception);
            throw new StoreUnavailableException($"{script.Name} failed: {exception.Message}", exception);
        }
    }

    /// <summary>Takes places for items; false when more would wait than the bound allows.</summary>
    public bool TryEnter(int items)
    {
        if (Interlocked.Add(ref _waiting, items) <= Options.MaxWaiting)
            return true;
        Interlocked.Add(ref _waiting, -items);
        Metrics.Overflow.Add(items);
        return false;
    }

    /// <summary>Gives places back.</summary>
    public void Left(int items) => Interlocked.Add(ref _waiting, -items);

    /// <summary>Where a user's entry lies.</summary>
    public (int Part, Item Item) Locate(UserKey key, SessionEntry? entry)
    {
        var hash = StableHash.Of(key);
        // Bits that the part does not depend on.
        var bucket = (int)((hash >> 24) % (uint)Options.BucketsPerPart);
        return ((int)(hash % (uint)Options.Parts), new Item(key, bucket, SessionPacking.Field(key), entry));
    }

    /// <summary>Something in redis is no entry; it is taken for absent.</summary>
    public void Garbage(int length)
    {
        Metrics.Garbage.Add(1);
        var logged = Interlocked.Read(ref _garbageLogged);
        if ((logged == 0 || Time.GetElapsedTime(logged) >= LogInterval)
            && Interlocked.CompareExchange(ref _garbageLogged, Time.GetTimestamp(), logged) == logged)
        {
            RegisterLog.Garbage(Logger, length);
        }
    }

    public void Dispose() => Metrics.Dispose();
}
