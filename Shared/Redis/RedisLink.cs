using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace PushSystem.Redis;

/// <summary>
/// The link over StackExchange.Redis: owns the connection, what is under way on it, and the watch that replaces a silent one.
/// Any thread calls; answers continue on the thread pool; the watch is a task of its own.
/// Its maker disposes it, which fails what is under way.
/// </summary>
public sealed class RedisLink : IRedisLink
{
    private static readonly TimeSpan RefreshInterval = TimeSpan.FromSeconds(1), LogInterval = TimeSpan.FromSeconds(10);

    private readonly RedisOptions _options;
    private readonly string _name;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RedisMetrics _metrics;
    private readonly DataIds _dataIds;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationToken _stopped;
    private Task _watch = Task.CompletedTask;
    private volatile RedisConnection? _connection;
    private volatile string? _failure;
    private long _refreshed;
    private long _awayLogged;
    private int _disposed;

    private RedisLink(RedisOptions options, string name, TimeProvider time, ILogger logger)
    {
        _options = options;
        _name = name;
        _time = time;
        _logger = logger;
        _stopped = _stopping.Token;
        _dataIds = new DataIds(time, AskDataIdAsync);
        _metrics = new RedisMetrics(name, () => _connection?.InFlight.Calls ?? 0, () => _connection?.InFlight.Bytes ?? 0);
    }

    /// <inheritdoc/>
    public event Action? Reconnected;

    /// <inheritdoc/>
    public string? Failure => _failure;

    /// <summary>
    /// Opens a link. A redis that is away is no error: the link goes on trying, and calls fail meanwhile. Throws
    /// <see cref="ValidationException"/> naming a wrong option.
    /// </summary>
    /// <param name="options">Not changed afterwards.</param>
    /// <param name="name">What it is for, in logs and metrics: "register", "saver".</param>
    /// <param name="time">Deadlines, and the pace of the watch.</param>
    /// <param name="logger">For losses and returns of the connection.</param>
    public static async Task<RedisLink> OpenAsync(RedisOptions options, string name, TimeProvider time, ILogger logger)
    {
        Validator.ValidateObject(options, new ValidationContext(options), validateAllProperties: true);
        var link = new RedisLink(options, name, time, logger);
        link._connection = await RedisConnection.OpenAsync(options, link.Changed);
        link._watch = link.WatchAsync();
        return link;
    }

    /// <inheritdoc/>
    public async Task<RedisResult> EvalAsync(RedisScript script, RedisKey[] keys, RedisValue[] values, CancellationToken cancellationToken)
    {
        if (keys.Length == 0)
            throw new ArgumentException("a script needs at least one key: it says where to run it", nameof(keys));
        var started = _time.GetTimestamp();
        var bytes = SizeOf(values) + (keys.Length * 32L);
        try
        {
            return await RunAsync(script.Name, keys[0], bytes, started, database => database.ScriptEvaluateAsync(
                script.HashBytes, keys, values, CommandFlags.DemandMaster), cancellationToken);
        }
        catch (RedisServerException exception) when (RedisErrors.IsUnknownScript(exception))
        {
            // The server keeps what it was sent this way. Sent whole to wherever the key leads now, so that a slot that moved, or a
            // replica that was promoted, costs one more round trip and nothing else.
            _metrics.Loaded(script.Name);
        }
        return await RunAsync(script.Name, keys[0], bytes + script.Body.Length, started, database => database.ScriptEvaluateAsync(
            script.Body, keys, values, CommandFlags.DemandMaster | CommandFlags.NoScriptCache), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<RedisResult> ExecuteAsync(string command, RedisKey key, RedisValue[] arguments, CancellationToken cancellationToken)
    {
        var all = new object[arguments.Length + 1];
        all[0] = key;
        for (var i = 0; i < arguments.Length; i++)
            all[i + 1] = arguments[i];
        return RunAsync(command, key, SizeOf(arguments) + 32, _time.GetTimestamp(), database => database.ExecuteAsync(
            command, all, CommandFlags.DemandMaster), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<string> DataIdAsync(RedisKey key, CancellationToken cancellationToken) =>
        _dataIds.GetAsync(_connection!.SlotOf(key), key, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _stopping.CancelAsync();
        await _watch;
        await _connection!.DisposeAsync();
        _metrics.Dispose();
        _stopping.Dispose();
    }

    private async Task<RedisResult> RunAsync(
        string name, RedisKey key, long bytes, long started, Func<IDatabase, Task<RedisResult>> send, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var connection = _connection!;
        var remaining = _options.Timeout - _time.GetElapsedTime(started);
        if (remaining <= TimeSpan.Zero)
            throw Failed(name, "timeout", new RedisUnavailableException($"redis did not answer '{name}' in time", isUndone: true));
        if (!connection.InFlight.TryEnter(bytes, out var slot))
        {
            throw Failed(name, "refused", new RedisUnavailableException(
                $"'{name}' was refused: {connection.InFlight.Calls} calls with {connection.InFlight.Bytes} bytes are under way "
                + $"(MaxInFlight {_options.MaxInFlight}, MaxInFlightBytes {_options.MaxInFlightBytes})", isUndone: true));
        }
        var answer = SendAsync(connection, name, key, slot, bytes, send);
        try
        {
            var result = await answer.WaitAsync(remaining, _time, cancellationToken);
            _metrics.Answered(name, _time.GetElapsedTime(started));
            _failure = null;
            return result;
        }
        catch (TimeoutException exception) when (!answer.IsCompleted)
        {
            Forget(answer);
            throw Failed(name, "timeout", new RedisUnavailableException(
                $"redis did not answer '{name}' within {_options.Timeout.TotalMilliseconds:0} ms", isUndone: false, exception));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Forget(answer);
            _metrics.Called(name, "cancelled");
            throw;
        }
        catch (RedisUnavailableException exception)
        {
            throw Failed(name, "away", exception);
        }
        catch (Exception exception)
        {
            if (RedisErrors.IsOldView(exception))
                Refresh(connection);
            if (RedisErrors.Unavailable(name, exception) is { } unavailable)
                throw Failed(name, unavailable.IsUndone ? "refused by redis" : "unavailable", unavailable);
            _metrics.Called(name, RedisErrors.IsUnknownScript(exception) ? "unknown script" : "error");
            throw;
        }
    }

    /// <summary>Holds the call's place until the library ends it, also when its caller has gone.</summary>
    private static async Task<RedisResult> SendAsync(
        RedisConnection connection, string name, RedisKey key, int slot, long bytes, Func<IDatabase, Task<RedisResult>> send)
    {
        try
        {
            // Asked first, so that a library that queues calls while it is disconnected does not do it here.
            if (!connection.IsConnected(key))
                throw new RedisUnavailableException($"no connection to redis for '{name}'", isUndone: true);
            return await send(connection.Database);
        }
        finally
        {
            connection.InFlight.Leave(slot, bytes);
        }
    }

    private async Task<string> AskDataIdAsync(RedisKey key) => (string)await EvalAsync(DataIds.Script, [key], [], _stopped);

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(_options.SilenceLimit / InFlight.SilentTicks, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopped))
            {
                var connection = _connection!;
                if (connection.IsSilent || !connection.InFlight.TryTurn())
                    await ReplaceAsync(connection);
            }
        }
        catch (OperationCanceledException) when (_stopped.IsCancellationRequested)
        {
            // The link is being closed.
        }
    }

    private async Task ReplaceAsync(RedisConnection silent)
    {
        RedisLog.Silent(_logger, _name, _options.SilenceLimit.TotalSeconds, silent.InFlight.Calls);
        silent.GiveUp();
        _dataIds.Forget();
        try
        {
            // Closed first, so that a server that wakes up sees the end of the old connection soon; but a write that hangs in the
            // library must not hold up the new one.
            var closing = silent.DisposeAsync().AsTask();
            if (await Task.WhenAny(closing, Task.Delay(_options.ConnectTimeout, _time, _stopped)) != closing)
                RedisLog.CloseHangs(_logger, _name);
            Forget(closing);
            _connection = await RedisConnection.OpenAsync(_options, Changed);
        }
        catch (Exception exception) when (!_stopped.IsCancellationRequested)
        {
            // Tried again at the next tick: the connection that was given up stays in place and refuses calls.
            RedisLog.ReplaceFailed(_logger, _name, exception);
            return;
        }
        _metrics.Reconnected("silence");
        Announce();
    }

    private void Changed(RedisConnection connection, string what)
    {
        _dataIds.Forget();
        if (_connection is { } current && current != connection)
            return;
        if (what == "failed")
        {
            RedisLog.ConnectionLost(_logger, _name);
            return;
        }
        if (what == "restored")
        {
            RedisLog.ConnectionRestored(_logger, _name);
            _metrics.Reconnected("lost");
        }
        Announce();
    }

    private void Announce()
    {
        try
        {
            Reconnected?.Invoke();
        }
        catch (Exception exception)
        {
            RedisLog.HandlerFailed(_logger, _name, exception);
        }
    }

    private void Refresh(RedisConnection connection)
    {
        _dataIds.Forget();
        var last = Interlocked.Read(ref _refreshed);
        if (last != 0 && _time.GetElapsedTime(last) < RefreshInterval)
            return;
        if (Interlocked.CompareExchange(ref _refreshed, _time.GetTimestamp(), last) == last)
            Forget(connection.RefreshAsync());
    }

    private RedisUnavailableException Failed(string name, string outcome, RedisUnavailableException exception)
    {
        _failure = exception.Message;
        var logged = Interlocked.Read(ref _awayLogged);
        if ((logged == 0 || _time.GetElapsedTime(logged) >= LogInterval)
            && Interlocked.CompareExchange(ref _awayLogged, _time.GetTimestamp(), logged) == logged)
        {
            RedisLog.Away(_logger, _name, exception.Message);
        }
        _metrics.Called(name, outcome);
        return exception;
    }

    /// <summary>Nobody waits for it any more: its failure is no news.</summary>
    private static void Forget(Task task) =>
        task.ContinueWith(
            static ended => _ = ended.Exception, CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    private static long SizeOf(RedisValue[] values)
    {
        long size = 0;
        foreach (var value in values)
            size += 16 + (value.IsInteger ? 0 : ((byte[]?)value)?.Length ?? 0);
        return size;
    }
}
