using System.Buffers.Binary;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.Idempotency;

namespace PushSystem.Saver.Redis;

/// <summary>
/// The idempotency keys of appends: key → (time, fingerprint), in the partition that the key itself falls into. Taken without owning that
/// partition: its owner is another saver as often as not, and taking it away from there with every request would cost more than the
/// request. What was stored under a key lies with the messages, behind the fence. Owns nothing; any thread.
/// </summary>
internal sealed class AppendClaims(IRedisLink link, int partitions, TimeProvider time)
{
    private const int TimeBytes = 8;
    private const int ValueBytes = TimeBytes + IdempotencyRows.FingerprintBytes;
    private const long KeptBeyond = 60_000;

    // Keeps what is there unless its time is over; answers with what holds then.
    private static readonly RedisScript Take = new("append-claim.1", """
        local v = redis.call('GET', KEYS[1])
        if v and (#v ~= tonumber(ARGV[4]) or struct.unpack('<i8', v) > tonumber(ARGV[3])) then return v end
        redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        return ARGV[1]
        """);

    private readonly PartitionKeys[] _keys = [.. Enumerable.Range(0, partitions).Select(part => new PartitionKeys(part))];

    /// <summary>When the key was taken for this request, the first time it was; null = it belongs to another request. Repeating it does no harm.</summary>
    public async Task<long?> TakeAsync(string app, IdempotencyClaim claim, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var value = new byte[ValueBytes];
        BinaryPrimitives.WriteInt64LittleEndian(value, now);
        claim.Fingerprint.CopyTo(value.AsMemory(TimeBytes));
        var keys = _keys[StableHash.Part(new UserKey(app, "idem:" + claim.Key), partitions)];
        byte[]? stored;
        try
        {
            stored = (byte[]?)await link.EvalAsync(
                Take, [keys.Claim(app, claim.Key)], [value, IdempotencyRows.KeptFor + KeptBeyond, now - IdempotencyRows.KeptFor, ValueBytes],
                cancellationToken);
        }
        catch (RedisUnavailableException exception)
        {
            throw new StoreUnavailableException($"The idempotency key could not be looked up: {exception.Message}", exception);
        }
        return stored is { Length: ValueBytes } && stored.AsSpan(TimeBytes).SequenceEqual(claim.Fingerprint.Span)
            ? BinaryPrimitives.ReadInt64LittleEndian(stored)
            : null;
    }
}
