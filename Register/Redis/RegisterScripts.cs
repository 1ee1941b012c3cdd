using PushSystem.Redis;

namespace PushSystem.Register.Redis;

/// <summary>
/// The scripts, each on the keys of one part. A script whose meaning changes gets a new number. All of them take what they cannot read
/// for absent. Those that change entries carry a deadline in the server's own time: what redis comes to only after the caller has
/// given up does nothing, so that a late login never replaces a newer one. Immutable.
/// </summary>
internal static class RegisterScripts
{
    private const string Clock = """
        local clock = redis.call('TIME')
        local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

        """;

    private const string Entries = """
        local function readable(value)
            return value and #value >= 10 and string.byte(value, 1) == 1 and #value >= 9 + string.byte(value, 9)
        end
        local function generation(value)
            local a, b, c, d, e, f, g = string.byte(value, 2, 8)
            return (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) * 256 + g
        end
        local function home(value)
            return string.sub(value, 10, 9 + string.byte(value, 9))
        end
        local function get(key, field)
            local value = redis.pcall('HGET', key, field)
            if type(value) == 'table' then
                redis.call('DEL', key)
                return false
            end
            return value
        end
        local changes = {}
        local function count(key, field, change)
            local fields = changes[key]
            if not fields then
                fields = {}
                changes[key] = fields
            end
            fields[field] = (fields[field] or 0) + change
        end
        local function counted()
            for key, fields in pairs(changes) do
                for field, change in pairs(fields) do
                    if change ~= 0 then
                        local total = redis.pcall('HINCRBY', key, field, change)
                        if type(total) == 'table' then
                            redis.call('DEL', key)
                            total = redis.call('HINCRBY', key, field, change)
                        end
                        if total <= 0 then
                            redis.call('HDEL', key, field)
                        end
                    end
                end
            end
        end

        """;

    /// <summary>
    /// KEYS meta, homes, buckets and apps. ARGV deadline, highest generation known, and for each entry: bucket's key, app's key,
    /// generation asked for, field, tail. Replies time, 1 or 0 (too late), and for each entry: generation or 0, entry before or nil.
    /// </summary>
    public static readonly RedisScript Bind = new("register-bind.1", Clock + Entries + """
        if tonumber(ARGV[1]) < now then
            return {now, 0}
        end
        local last = tonumber(get(KEYS[1], 'g') or 0) or 0
        if not (last < 9007199254740000) then
            last = 0
        end
        last = math.max(last, now - 1, tonumber(ARGV[2]))
        local reply = {now, 1}
        for i = 3, #ARGV, 5 do
            local bucket, app, asked, field = KEYS[tonumber(ARGV[i])], KEYS[tonumber(ARGV[i + 1])], tonumber(ARGV[i + 2]), ARGV[i + 3]
            local before = get(bucket, field)
            local known = readable(before)
            local standing = known and generation(before) or 0
            if asked ~= 0 and standing > asked then
                reply[#reply + 1] = 0
                reply[#reply + 1] = false
            else
                if standing < 9007199254740000 then
                    last = math.max(last, standing)
                end
                last = math.max(last, asked) + 1
                local high, low = math.floor(last / 4294967296), last % 4294967296
                local value = string.char(1,
                    math.floor(high / 65536) % 256, math.floor(high / 256) % 256, high % 256,
                    math.floor(low / 16777216), math.floor(low / 65536) % 256, math.floor(low / 256) % 256, low % 256) .. ARGV[i + 4]
                redis.call('HSET', bucket, field, value)
                if known then
                    count(app, home(before), -1)
                    count(KEYS[2], home(before), -1)
                end
                count(app, home(value), 1)
                count(KEYS[2], home(value), 1)
                reply[#reply + 1] = last
                reply[#reply + 1] = before
            end
        end
        redis.call('HSET', KEYS[1], 'g', string.format('%.0f', last))
        counted()
        return reply
        """);

    /// <summary>
    /// KEYS homes, buckets and apps. ARGV deadline, and for each entry: bucket's key, app's key, generation or 0, field, beginning of
    /// the tail. Replies time, 1 or 0 (too late), and 1 or 0 for each.
    /// </summary>
    public static readonly RedisScript Unbind = new("register-unbind.1", Clock + Entries + """
        if tonumber(ARGV[1]) < now then
            return {now, 0}
        end
        local reply = {now, 1}
        for i = 2, #ARGV, 5 do
            local bucket, app, asked, field, owner =
                KEYS[tonumber(ARGV[i])], KEYS[tonumber(ARGV[i + 1])], tonumber(ARGV[i + 2]), ARGV[i + 3], ARGV[i + 4]
            local value = get(bucket, field)
            if readable(value) and string.sub(value, 9, 8 + #owner) == owner and (asked == 0 or generation(value) == asked) then
                redis.call('HDEL', bucket, field)
                count(app, home(value), -1)
                count(KEYS[1], home(value), -1)
                reply[#reply + 1] = 1
            else
                reply[#reply + 1] = 0
            end
        end
        counted()
        return reply
        """);

    /// <summary>KEYS buckets. ARGV for each user: bucket's key, field. Replies the entry or nil for each.</summary>
    public static readonly RedisScript Lookup = new("register-lookup.1", """
        local reply = {}
        for i = 1, #ARGV, 2 do
            local value = redis.pcall('HGET', KEYS[tonumber(ARGV[i])], ARGV[i + 1])
            reply[#reply + 1] = type(value) ~= 'table' and value or false
        end
        return reply
        """);

    /// <summary>
    /// Removes what is still exactly as it was read. KEYS homes, buckets and apps. ARGV for each entry: bucket's key, app's key (the
    /// bucket's own again when the entry counts for nobody), field, value. Replies how many.
    /// </summary>
    public static readonly RedisScript Remove = new("register-remove.1", Entries + """
        local removed = 0
        for i = 1, #ARGV, 4 do
            local bucket, app, field = KEYS[tonumber(ARGV[i])], KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2]
            local value = get(bucket, field)
            if value == ARGV[i + 3] then
                redis.call('HDEL', bucket, field)
                if readable(value) and app ~= bucket then
                    count(app, home(value), -1)
                    count(KEYS[1], home(value), -1)
                end
                removed = removed + 1
            end
        end
        counted()
        return removed
        """);

    /// <summary>KEYS a hash. Replies its fields and values one after the other; what is no hash is removed.</summary>
    public static readonly RedisScript All = new("register-all.1", """
        local all = redis.pcall('HGETALL', KEYS[1])
        if all.err then
            redis.call('DEL', KEYS[1])
            return {}
        end
        return all
        """);

    /// <summary>
    /// KEYS meta. ARGV a new number. Replies the number of the part's data: the new one when there was none, or when the server stands
    /// on other data than the one that the number was given for.
    /// </summary>
    public static readonly RedisScript Epoch = new("register-epoch.1", """
        local replication = redis.call('INFO', 'replication')
        if string.match(replication, 'role:(%a+)') ~= 'master' then
            return redis.error_reply('READONLY not a master')
        end
        local data = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') .. string.match(replication, 'master_replid:(%x+)')
        local known = redis.pcall('HMGET', KEYS[1], 'e', 'd')
        if known.err then
            redis.call('DEL', KEYS[1])
            known = {}
        end
        if known[1] and known[2] == data and string.match(known[1], '^%d+$') and #known[1] <= 16 then
            return known[1]
        end
        redis.call('HSET', KEYS[1], 'e', ARGV[1], 'd', data)
        return ARGV[1]
        """);

    /// <summary>KEYS any. Replies the server's time in microseconds.</summary>
    public static readonly RedisScript Time = new("register-time.1", Clock + "return now");

    /// <summary>
    /// KEYS meta. ARGV who, microseconds. Replies 1 when nobody else sweeps the part: it is this one's for the given time.
    /// </summary>
    public static readonly RedisScript Claim = new("register-claim.1", Clock + """
        local held = redis.pcall('HMGET', KEYS[1], 's', 't')
        if held.err then
            return 0
        end
        if held[1] and held[1] ~= ARGV[1] and (tonumber(held[2] or 0) or 0) > now then
            return 0
        end
        redis.call('HSET', KEYS[1], 's', ARGV[1], 't', string.format('%.0f', now + tonumber(ARGV[2])))
        return 1
        """);

    /// <summary>KEYS homes. ARGV home, count. Forgets a counter whose entries are not there, if it is still the same.</summary>
    public static readonly RedisScript Forget = new("register-forget.1", """
        if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
            return redis.call('HDEL', KEYS[1], ARGV[1])
        end
        return 0
        """);

    /// <summary>KEYS a free key. ARGV fields, length of the values. Replies how redis keeps a hash of that size.</summary>
    public static readonly RedisScript Probe = new("register-probe.1", """
        redis.call('DEL', KEYS[1])
        for i = 1, tonumber(ARGV[1]) do
            redis.call('HSET', KEYS[1], i, string.rep('x', tonumber(ARGV[2])))
        end
        local encoding = redis.call('OBJECT', 'ENCODING', KEYS[1])
        redis.call('DEL', KEYS[1])
        return encoding
        """);
}
