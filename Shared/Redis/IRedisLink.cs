using StackExchange.Redis;

namespace PushSystem.Redis;

/// <summary>
/// One pipelined connection to a redis server or a redis cluster. Thread-safe. Every call has a deadline and a bound on what is in
/// flight; it throws <see cref="RedisUnavailableException"/>.
/// </summary>
public interface IRedisLink : IAsyncDisposable
{
    /// <summary>
    /// Runs a script where its keys are; all of them must have the same hash tag. Sent as EVALSHA; a server that does not know the
    /// script gets it and is asked once more, which is safe because nothing was done.
    /// </summary>
    Task<RedisResult> EvalAsync(RedisScript script, RedisKey[] keys, RedisValue[] values, CancellationToken cancellationToken);

    /// <summary>Runs a command where its key is.</summary>
    Task<RedisResult> ExecuteAsync(string command, RedisKey key, RedisValue[] arguments, CancellationToken cancellationToken);

    /// <summary>
    /// Which data the master that serves the key stands on: its run id and replication id as one text. Another text than before: it was
    /// restarted or another server was promoted, and writes may be missing.
    /// </summary>
    ValueTask<string> DataIdAsync(RedisKey key, CancellationToken cancellationToken);

    /// <summary>Told when a connection came back or the masters changed. Handlers must not wait and must not throw.</summary>
    event Action? Reconnected;

    /// <summary>Null when the last calls were answered, otherwise why not: for the health page.</summary>
    string? Failure { get; }
}

/// <summary>redis gave no answer in time, or refused (out of memory, read-only, loading).</summary>
public sealed class RedisUnavailableException(string message, bool isUndone, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Certainly nothing was done; otherwise the outcome is unknown.</summary>
    public bool IsUndone { get; } = isUndone;
}
