using System.Security.Cryptography;
using PushSystem.Contracts;
using PushSystem.Redis;
using StackExchange.Redis;

namespace PushSystem.Register.Redis;

/// <summary>
/// One part of the registry in redis: makes requests into scripts and reads the replies. Owns nothing but what it learned of the
/// server's clock and of generations, both of which every script checks again; any thread. Owned by <see cref="RedisSessionRegistry"/>.
/// </summary>
internal sealed class RegisterPart
{
    private readonly RedisContext _context;
    private readonly RegisterKeys _keys;
    private readonly RedisClock _clock;
    private long _highest;

    public RegisterPart(RedisContext context, int part)
    {
        _context = context;
        _keys = new RegisterKeys(context.Options, part);
        _clock = new RedisClock(context.Time);
        Binds = MakeLane(BindAsync);
        Unbinds = MakeLane(UnbindAsync);
        Lookups = MakeLane(LookupAsync);
    }

    public Lane<BindReply> Binds { get; }

    public Lane<bool> Unbinds { get; }

    public Lane<SessionEntry?> Lookups { get; }

    public int Buckets => _keys.Buckets.Length;

    /// <summary>What was learned of the server may be wrong now.</summary>
    public void ForgetClock() => _clock.Forget();

    /// <summary>Sets what is known of the server's clock: its microseconds now.</summary>
    public void LearnClock(long microseconds, bool reset) => _clock.Sample(_context.Time.GetTimestamp(), microseconds, reset);

    /// <summary>The number of the part's data, a new one when the data is not what it was.</summary>
    public async Task<long> EpochAsync(CancellationToken cancellationToken)
    {
        // Any number but 0 that is unlikely to have been there before, exact in every language.
        var fresh = (BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8)) & ((1L << 52) - 1)) + 1;
        var epoch = (long)await _context.RunAsync(RegisterScripts.Epoch, [_keys.Meta], [fresh], cancellationToken);
        if (epoch == fresh)
            _context.Metrics.Epochs.Add(1);
        return epoch;
    }

    /// <summary>Entries of an app by room, of all rooms that ever had one and were not swept.</summary>
    public Task<Dictionary<RoomIncarnation, long>> CountsAsync(string app, CancellationToken cancellationToken) =>
        ReadCountsAsync(_keys.App(app), cancellationToken);

    /// <summary>The same of all apps.</summary>
    public Task<Dictionary<RoomIncarnation, long>> HomesAsync(CancellationToken cancellationToken) => ReadCountsAsync(_keys.Homes, cancellationToken);

    /// <summary>True when nobody else sweeps this part; nobody else will for the given time.</summary>
    public async Task<bool> TryClaimAsync(string who, TimeSpan length, CancellationToken cancellationToken) =>
        (long)await _context.RunAsync(RegisterScripts.Claim, [_keys.Meta], [who, (long)length.TotalMicroseconds], cancellationToken) == 1;

    /// <summary>Removes the entries of one bucket that <paramref name="isDead"/> names, and what is none; says how many.</summary>
    public async Task<int> SweepAsync(int bucket, Func<RoomIncarnation, bool> isDead, CancellationToken cancellationToken)
    {
        var all = (RedisValue[]?)await _context.RunAsync(RegisterScripts.All, [_keys.Buckets[bucket]], [], cancellationToken) ?? [];
        var arguments = new ScriptArguments(_keys, _keys.Homes);
        for (var i = 0; i + 1 < all.Length; i += 2)
        {
            var field = (byte[]?)all[i] ?? [];
            var value = (byte[]?)all[i + 1] ?? [];
            var named = SessionPacking.TryReadField(field, out var key);
            SessionEntry? entry = null;
            if (named && SessionPacking.TryRead(key, value, out entry) && !isDead(new RoomIncarnation(entry.Room, entry.Incarnation)))
                continue;
            if (entry is null)
                _context.Garbage(value.Length);
            AddRemoval(arguments, bucket, named ? key.App : null, field, value);
        }
        return await RemoveAsync(arguments, cancellationToken);
    }

    /// <summary>Removes an entry if it is still exactly this one.</summary>
    public Task<int> RemoveAsync(Item item, CancellationToken cancellationToken)
    {
        var arguments = new ScriptArguments(_keys, _keys.Homes);
        var entry = item.Entry!;
        AddRemoval(arguments, item.Bucket, entry.Key.App, item.Field, SessionPacking.Value(entry));
        return RemoveAsync(arguments, cancellationToken);
    }

    /// <summary>Drops a room's counter whose entries a whole sweep did not find.</summary>
    public Task ForgetAsync(RoomIncarnation home, long count, CancellationToken cancellationToken) => _context.RunAsync(
        RegisterScripts.Forget, [_keys.Homes], [SessionPacking.Home(home), count], cancellationToken);

    /// <summary>How redis keeps a bucket as large as it may become: "listpack" when it is set up for it.</summary>
    public async Task<string> ProbeAsync(int fields, CancellationToken cancellationToken) =>
        (string?)await _context.RunAsync(
            RegisterScripts.Probe, [_keys.Probe], [fields, SessionPacking.MaxValueBytes], cancellationToken) ?? "";

    private async Task<BindReply[]> BindAsync(List<Item> items, long started)
    {
        var values = await RunTimedAsync(RegisterScripts.Bind, deadline =>
        {
            var arguments = new ScriptArguments(_keys, _keys.Meta, _keys.Homes);
            arguments.Add(deadline);
            arguments.Add(Interlocked.Read(ref _highest));
            foreach (var (key, bucket, field, entry) in items)
            {
                arguments.AddBucket(bucket);
                arguments.AddApp(key.App);
                arguments.Add(entry!.Generation);
                arguments.Add(field);
                arguments.Add(SessionPacking.Tail(entry));
            }
            return arguments;
        }, items.Count, started);
        var replies = new BindReply[items.Count];
        var highest = 0L;
        for (var i = 0; i < replies.Length; i++)
        {
            var generation = (long)values[2 + (2 * i)];
            replies[i] = new BindReply(generation, generation == 0 ? null : Read(items[i].Key, values[3 + (2 * i)]));
            highest = Math.Max(highest, generation);
        }
        Raise(highest);
        return replies;
    }

    private async Task<bool[]> UnbindAsync(List<Item> items, long started)
    {
        var values = await RunTimedAsync(RegisterScripts.Unbind, deadline =>
        {
            var arguments = new ScriptArguments(_keys, _keys.Homes);
            arguments.Add(deadline);
            foreach (var (key, bucket, field, entry) in items)
            {
                arguments.AddBucket(bucket);
                arguments.AddApp(key.App);
                arguments.Add(entry!.Generation);
                arguments.Add(field);
                arguments.Add(SessionPacking.Owner(entry));
            }
            return arguments;
        }, items.Count, started);
        return [.. values.Skip(2).Select(value => (long)value == 1)];
    }

    private async Task<SessionEntry?[]> LookupAsync(List<Item> items, long started)
    {
        var arguments = new ScriptArguments(_keys);
        foreach (var (_, bucket, field, _) in items)
        {
            arguments.AddBucket(bucket);
            arguments.Add(field);
        }
        _context.Metrics.Batch(RegisterScripts.Lookup.Name, items.Count);
        var values = (RedisValue[]?)await _context.RunAsync(RegisterScripts.Lookup, arguments.Keys, arguments.Values, CancellationToken.None) ?? [];
        var entries = new SessionEntry?[items.Count];
        for (var i = 0; i < entries.Length; i++)
            entries[i] = Read(items[i].Key, values[i]);
        return entries;
    }

    /// <summary>
    /// Runs a script that does nothing after its deadline in the server's time, which is that of the request that came first. A refusal
    /// that arrives in time means that the server's clock was set: it is learned anew and the script is sent once more.
    /// </summary>
    private async Task<RedisValue[]> RunTimedAsync(RedisScript script, Func<long, ScriptArguments> build, int count, long started)
    {
        _context.Metrics.Batch(script.Name, count);
        if (!_clock.IsKnown)
        {
            var asked = _context.Time.GetTimestamp();
            _clock.Sample(asked, (long)await _context.RunAsync(RegisterScripts.Time, [_keys.Meta], [], CancellationToken.None), reset: true);
        }
        for (var attempt = 0; ; attempt++)
        {
            var sent = _context.Time.GetTimestamp();
            var left = _context.Options.CallTimeout - _context.Time.GetElapsedTime(started);
            if (left <= TimeSpan.Zero)
                throw new StoreUnavailableException("redis came to the request too late; nothing was done");
            var arguments = build(_clock.After(left));
            var values = (RedisValue[]?)await _context.RunAsync(script, arguments.Keys, arguments.Values, CancellationToken.None) ?? [];
            var late = (long)values[1] == 0;
            _clock.Sample(sent, (long)values[0], reset: late);
            if (!late)
                return values;
            _context.Metrics.Late.Add(1);
            if (attempt > 0)
                throw new StoreUnavailableException("redis came to the request too late; nothing was done");
        }
    }

    private async Task<int> RemoveAsync(ScriptArguments arguments, CancellationToken cancellationToken)
    {
        var values = arguments.Values;
        return values.Length == 0 ? 0 : (int)await _context.RunAsync(RegisterScripts.Remove, arguments.Keys, values, cancellationToken);
    }

    private static void AddRemoval(ScriptArguments arguments, int bucket, string? app, byte[] field, byte[] value)
    {
        arguments.AddBucket(bucket);
        if (app is null)
            arguments.AddBucket(bucket);
        else
            arguments.AddApp(app);
        arguments.Add(field);
        arguments.Add(value);
    }

    private async Task<Dictionary<RoomIncarnation, long>> ReadCountsAsync(RedisKey key, CancellationToken cancellationToken)
    {
        var all = (RedisValue[]?)await _context.RunAsync(RegisterScripts.All, [key], [], cancellationToken) ?? [];
        var counts = new Dictionary<RoomIncarnation, long>();
        for (var i = 0; i + 1 < all.Length; i += 2)
        {
            if (SessionPacking.TryReadHome((byte[]?)all[i] ?? [], out var incarnation, out var room)
                && all[i + 1].TryParse(out long count) && count > 0)
            {
                counts[new RoomIncarnation(room, incarnation)] = count;
            }
            else
            {
                _context.Garbage(8);
            }
        }
        return counts;
    }

    private SessionEntry? Read(UserKey key, RedisValue value)
    {
        if (value.IsNull)
            return null;
        var bytes = (byte[]?)value ?? [];
        if (SessionPacking.TryRead(key, bytes, out var entry))
            return entry;
        _context.Garbage(bytes.Length);
        return null;
    }

    private void Raise(long generation)
    {
        var seen = Interlocked.Read(ref _highest);
        while (generation > seen)
        {
            var before = Interlocked.CompareExchange(ref _highest, generation, seen);
            if (before == seen)
                return;
            seen = before;
        }
    }

    private Lane<TReply> MakeLane<TReply>(Func<List<Item>, long, Task<TReply[]>> run) =>
        new(_context.Options.MaxBatch, _context.Options.CallTimeout, _context.Time, run, _context.Left);
}
