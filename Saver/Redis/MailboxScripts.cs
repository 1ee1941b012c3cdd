using PushSystem.Redis;

namespace PushSystem.Saver.Redis;

/// <summary>
/// The scripts of the mailboxes. They decide nothing about messages: the partition's owner decides, and they hold its token and the
/// number of its last batch against what redis has, so that a batch is applied once, in order, by the owner, or not at all.
/// </summary>
internal static class MailboxScripts
{
    /// <summary>The batch was applied.</summary>
    public const long Applied = 1;
    /// <summary>Somebody else took the partition (or redis lost that we did): nothing was done.</summary>
    public const long Fenced = -1;
    /// <summary>redis is behind what it had answered: nothing was done.</summary>
    public const long Rewound = -2;
    /// <summary>redis is ahead of what the owner knows, after a batch of unknown outcome: nothing was done.</summary>
    public const long Ahead = -3;

    /// <summary>
    /// KEYS: meta, then the keys of the operations. ARGV: token, last known jseq, new jseq (empty: nothing is written), then operations:
    /// a letter, the number of its key, its arguments. The jseq is written first: a redis that is out of memory refuses there, with
    /// nothing done. Answers {code, one element per reading operation}.
    /// </summary>
    public static readonly RedisScript Batch = new("mailbox.batch.1", """
        local meta = redis.call('HMGET', KEYS[1], 'token', 'jseq')
        if meta[1] ~= ARGV[1] then return {-1} end
        local jseq = tonumber(meta[2] or '0')
        local known = tonumber(ARGV[2])
        if jseq < known then return {-2, tostring(meta[2])} end
        if jseq > known then return {-3, meta[2]} end
        if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'jseq', ARGV[3]) end
        local out = {1}
        local i, n = 4, #ARGV
        while i <= n do
          local op, k = ARGV[i], KEYS[tonumber(ARGV[i + 1])]
          if op == 'h' then redis.call('HSET', k, ARGV[i + 2], ARGV[i + 3]) i = i + 4
          elseif op == 'r' then redis.call('RPUSH', k, ARGV[i + 2]) i = i + 3
          elseif op == 'p' then redis.call('PEXPIRE', k, ARGV[i + 2]) i = i + 3
          elseif op == 'd' then redis.call('UNLINK', k) i = i + 2
          elseif op == 't' then redis.call('LTRIM', k, ARGV[i + 2], '-1') i = i + 3
          elseif op == 'f' then out[#out + 1] = redis.call('HGET', k, ARGV[i + 2]) i = i + 3
          elseif op == 'g' then out[#out + 1] = redis.call('LRANGE', k, ARGV[i + 2], ARGV[i + 3]) i = i + 4
          elseif op == 'q' then
            local items = redis.call('LRANGE', k, '0', '-1')
            for j = 1, #items do items[j] = string.sub(items[j], 1, 19) .. struct.pack('<I4', #items[j] - 19) end
            out[#out + 1] = table.concat(items)
            i = i + 2
          elseif op == 'j' then redis.call('XADD', k, ARGV[i + 2], 'j', ARGV[i + 3]) i = i + 4
          elseif op == 'c' then redis.call('XTRIM', k, 'MINID', ARGV[i + 2]) i = i + 3
          elseif op == 'x' then redis.call('LSET', k, ARGV[i + 2], '') i = i + 3
          elseif op == 'y' then redis.call('LREM', k, '0', '') i = i + 2
          elseif op == 's' then redis.call('SET', k, ARGV[i + 2], 'PX', ARGV[i + 3]) i = i + 4
          elseif op == 'e' then out[#out + 1] = redis.call('GET', k) i = i + 2
          elseif op == 'n' then redis.call('HINCRBY', k, ARGV[i + 2], ARGV[i + 3]) i = i + 4
          elseif op == 'v' then out[#out + 1] = redis.call('XRANGE', k, ARGV[i + 2], ARGV[i + 3], 'COUNT', ARGV[i + 4]) i = i + 5
          elseif op == 'a' then out[#out + 1] = redis.call('HGETALL', k) i = i + 2
          else error('unknown operation ' .. op) end
        end
        return out
        """);

    /// <summary>
    /// Makes the caller the owner. KEYS: meta. ARGV: token, owner's name, now in Unix milliseconds, least fence. The fence follows the
    /// clock, so that it grows even when redis forgot the last one. Answers the new fence and what the meta hash had: token, owner,
    /// epoch, jseq, dataId, full, buckets.
    /// </summary>
    public static readonly RedisScript Take = new("mailbox.take.1", """
        local had = redis.call('HMGET', KEYS[1], 'token', 'owner', 'epoch', 'jseq', 'dataId', 'full', 'buckets', 'fence')
        local fence = string.format('%.0f', math.max(tonumber(had[8] or '0') + 1, tonumber(ARGV[3]), tonumber(ARGV[4])))
        redis.call('HSET', KEYS[1], 'token', ARGV[1], 'owner', ARGV[2], 'fence', fence)
        return {fence, had[1], had[2], had[3], had[4], had[5], had[6], had[7]}
        """);

    /// <summary>
    /// Begins an epoch that is committed in the landing tier. KEYS: meta, journal, known users. ARGV: token, epoch, jseq, dataId, full,
    /// buckets, fence. The journal goes: each mailbox that is installed again journals what has not landed. Answers 1, or -1 when the
    /// token does not count any more.
    /// </summary>
    public static readonly RedisScript BeginEpoch = new("mailbox.epoch.1", """
        if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return -1 end
        redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'jseq', ARGV[3], 'dataId', ARGV[4], 'full', ARGV[5], 'buckets', ARGV[6], 'fence', ARGV[7])
        redis.call('UNLINK', KEYS[2], KEYS[3])
        return 1
        """);

    /// <summary>
    /// What an idle partition looks like from outside, without taking it. KEYS: meta, journal. Answers token, jseq, epoch, full and the
    /// journal's length.
    /// </summary>
    public static readonly RedisScript Look = new("mailbox.look.1", """
        local had = redis.call('HMGET', KEYS[1], 'token', 'jseq', 'epoch', 'full')
        return {had[1], had[2], had[3], had[4], redis.call('XLEN', KEYS[2])}
        """);
}
