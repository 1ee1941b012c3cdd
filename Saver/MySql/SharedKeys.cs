using System.Buffers.Binary;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.Idempotency;
using PushSystem.Saver.Redis;
using StackExchange.Redis;

namespace PushSystem.Saver.MySql;

/// <summary>
/// Makes one space of two: keys of unicast appends lie in redis with the messages, all others in MySQL. Whoever takes a key in MySQL looks
/// here first whether an append has it, and leaves a mark that an append takes for another request. A mark decides nothing among the
/// keys of MySQL. Without redis nothing is taken here: then each tier only knows its own keys. Any thread.
/// </summary>
internal sealed class SharedKeys(IRedisLink link, int partitions, SqlLink sql, TimeProvider clock)
{
    private const int TimeBytes = 8;
    private const int ValueBytes = TimeBytes + IdempotencyRows.FingerprintBytes;

    // Ends the fingerprint of a mark, so that it equals no request's.
    private static readonly byte[] Mark = "=in-sql="u8.ToArray();

    private static readonly RedisScript TakeIfFree = new("key-mark.1", """
        local v = redis.call('GET', KEYS[1])
        if v then return v end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return false
        """);

    private readonly PartitionKeys[] _keys = [.. Enumerable.Range(0, partitions).Select(part => new PartitionKeys(part))];

    /// <summary>The fingerprint of the append that has the key, null when none has it.</summary>
    public async Task<ReadOnlyMemory<byte>?> FindAsync(string app, string key, CancellationToken cancellationToken)
    {
        if (app == IIdempotencyStore.AdminScope)
            return null;
        try
        {
            return Owner(await link.ExecuteAsync("GET", KeyOf(app, key), [], cancellationToken));
        }
        catch (RedisUnavailableException)
        {
            sql.Metrics.CopyFailures.Add(1);
            return null;
        }
    }

    /// <summary>Marks the key as taken; true when an append has it.</summary>
    public async Task<bool> IsTakenAsync(string app, string key, CancellationToken cancellationToken)
    {
        if (app == IIdempotencyStore.AdminScope)
            return false;
        try
        {
            var mark = new byte[ValueBytes];
            BinaryPrimitives.WriteInt64LittleEndian(mark, Now);
            Mark.CopyTo(mark.AsSpan(ValueBytes - Mark.Length));
            return Owner(await link.EvalAsync(TakeIfFree, [KeyOf(app, key)], [mark, IdempotencyRows.KeptFor], cancellationToken)) is not null;
        }
        catch (RedisUnavailableException)
        {
            sql.Metrics.CopyFailures.Add(1);
            return false;
        }
    }

    private long Now => clock.GetUtcNow().ToUnixTimeMilliseconds();

    private RedisKey KeyOf(string app, string key) => _keys[StableHash.Part(new UserKey(app, "idem:" + key), partitions)].Claim(app, key);

    private ReadOnlyMemory<byte>? Owner(RedisResult result) =>
        (byte[]?)result is { Length: ValueBytes } value && BinaryPrimitives.ReadInt64LittleEndian(value) > Now - IdempotencyRows.KeptFor
        && !value.AsSpan().EndsWith(Mark)
            ? value.AsMemory(TimeBytes)
            : (ReadOnlyMemory<byte>?)null;
}
