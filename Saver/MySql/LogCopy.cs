using PushSystem.Redis;
using StackExchange.Redis;

namespace PushSystem.Saver.MySql;

/// <summary>
/// The read copies of broadcast logs in redis: per app one hash {v: version, d: the view} and one string per payload, all with the app as
/// hash tag. Only copies: whatever is missing is written again from the database. Any thread; throws <see cref="RedisUnavailableException"/>.
/// </summary>
internal sealed class LogCopy(IRedisLink link)
{
    // Written again when somebody asks for the app after that.
    private const long KeptForSeconds = 7 * 24 * 3_600;

    private static readonly RedisScript PutIfNewer = new("log-put.1", """
        local v = redis.call('HGET', KEYS[1], 'v')
        if v and tonumber(v) > tonumber(ARGV[1]) then return v end
        if v ~= ARGV[1] then redis.call('HSET', KEYS[1], 'v', ARGV[1], 'd', ARGV[2]) end
        redis.call('EXPIRE', KEYS[1], ARGV[3])
        return ARGV[1]
        """);

    public event Action? Reconnected
    {
        add => link.Reconnected += value;
        remove => link.Reconnected -= value;
    }

    /// <summary>The version of the copy, null when there is none.</summary>
    public async Task<long?> VersionAsync(string app, CancellationToken cancellationToken) =>
        (RedisValue)await link.ExecuteAsync("HGET", LogKey(app), ["v"], cancellationToken) is { HasValue: true } value && value.TryParse(out long version)
            ? version
            : null;

    /// <summary>The copy, null when there is none or it cannot be read.</summary>
    public async Task<LogView?> ReadAsync(string app, CancellationToken cancellationToken) =>
        (byte[]?)await link.ExecuteAsync("HGET", LogKey(app), ["d"], cancellationToken) is { } bytes ? LogView.Read(app, bytes) : null;

    /// <summary>Writes the view unless the copy is newer; the copy's version then.</summary>
    public async Task<long> PutAsync(string app, LogView view, CancellationToken cancellationToken)
    {
        var result = await link.EvalAsync(PutIfNewer, [LogKey(app)], [view.Version, view.Write(), KeptForSeconds], cancellationToken);
        return (long)(RedisValue)result;
    }

    public async Task<byte[]?> PayloadAsync(string app, uint epoch, long seq, CancellationToken cancellationToken) =>
        (byte[]?)await link.ExecuteAsync("GET", PayloadKey(app, epoch, seq), [], cancellationToken);

    public async Task PutPayloadAsync(string app, uint epoch, long seq, byte[] payload, long milliseconds, CancellationToken cancellationToken)
    {
        if (milliseconds > 0)
            await link.ExecuteAsync("SET", PayloadKey(app, epoch, seq), [payload, "PX", milliseconds], cancellationToken);
    }

    private static RedisKey LogKey(string app) => $"push:log:{{{app}}}";

    private static RedisKey PayloadKey(string app, uint epoch, long seq) => $"push:payload:{{{app}}}:{epoch}:{seq}";
}
