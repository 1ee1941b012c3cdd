using System.Data;
using System.Data.Common;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;

namespace PushSystem.Saver.MySql;

/// <summary>
/// How all stores here reach the database: with a deadline, a bound on what is under way, and one meaning for every failure. Any thread;
/// holds no connection between calls. Owned by the cluster store, which disposes the data source.
/// </summary>
internal sealed class SqlLink
{
    private const int Attempts = 5;

    private readonly DbDataSource _source;
    private readonly MySqlOptions _options;
    private readonly MySqlMetrics _metrics;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _connections;
    private int _calls;
    private long _failures;
    private string? _failure;

    public SqlLink(DbDataSource source, MySqlOptions options, MySqlMetrics metrics, ILogger logger)
    {
        _source = source;
        _options = options;
        _metrics = metrics;
        _logger = logger;
        _connections = new SemaphoreSlim(options.Connections);
    }

    public MySqlOptions Options => _options;

    public MySqlMetrics Metrics => _metrics;

    public ILogger Logger => _logger;

    /// <summary>Null when the last call was answered, otherwise why it was not.</summary>
    public string? Failure => Volatile.Read(ref _failure);

    /// <summary>Calls under way or waiting.</summary>
    public int Calls => Volatile.Read(ref _calls);

    /// <summary>Reads without a transaction. Throws <see cref="StoreUnavailableException"/>.</summary>
    public Task<T> ReadAsync<T>(string store, Func<SqlSession, Task<T>> work, CancellationToken cancellationToken) =>
        StartAsync(store, null, work, cancellationToken);

    /// <summary>Reads everything as of one moment.</summary>
    public Task<T> SnapshotAsync<T>(string store, Func<SqlSession, Task<T>> work, CancellationToken cancellationToken) =>
        StartAsync(store, IsolationLevel.RepeatableRead, work, cancellationToken);

    /// <summary>
    /// Runs a transaction and commits it; repeats it after a deadlock. Throws <see cref="StoreUnavailableException"/>: whether it was
    /// committed is unknown then. An exception of the work's own rolls back and comes through.
    /// </summary>
    public Task<T> WriteAsync<T>(string store, Func<SqlSession, Task<T>> work, CancellationToken cancellationToken) =>
        StartAsync(store, IsolationLevel.ReadCommitted, work, cancellationToken);

    // A caller that gives up does not break a connection: what it began ends by its own deadline.
    private async Task<T> StartAsync<T>(string store, IsolationLevel? level, Func<SqlSession, Task<T>> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Interlocked.Increment(ref _calls) > _options.Calls)
        {
            Interlocked.Decrement(ref _calls);
            _metrics.Refused.Add(1);
            throw new StoreUnavailableException($"{_options.Calls} calls to the database are under way already (Saver:MySql:Calls).");
        }
        var running = RunAsync(store, level, work);
        try
        {
            return await running.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _ = ObserveAsync(running);
            throw;
        }
    }

    private async Task<T> RunAsync<T>(string store, IsolationLevel? level, Func<SqlSession, Task<T>> work)
    {
        var started = TimeProvider.System.GetTimestamp();
        using var deadline = new CancellationTokenSource(_options.Deadline);
        try
        {
            await _connections.WaitAsync(deadline.Token);
            T result;
            try
            {
                result = await ConnectedAsync(store, level, work, deadline.Token);
            }
            finally
            {
                _connections.Release();
            }
            (level == IsolationLevel.ReadCommitted ? _metrics.CommitSeconds : _metrics.ReadSeconds).Record(
                TimeProvider.System.GetElapsedTime(started).TotalSeconds, new KeyValuePair<string, object?>("store", store));
            Succeeded();
            return result;
        }
        catch (Exception exception) when (SqlErrors.IsAway(exception))
        {
            throw Failed(exception);
        }
        catch (DbException exception)
        {
            _metrics.Failures.Add(1, new KeyValuePair<string, object?>("reason", "refused"));
            SaverLog.StatementRefused(_logger, store, exception);
            throw new InvalidOperationException($"The database refused a statement of {store}: {exception.Message}", exception);
        }
        finally
        {
            Interlocked.Decrement(ref _calls);
        }
    }

    private async Task<T> ConnectedAsync<T>(string store, IsolationLevel? level, Func<SqlSession, Task<T>> work, CancellationToken deadline)
    {
        await using var connection = await OpenAsync(deadline);
        // The deadline is the token; the command's own timeout only guards against a provider that ignores it.
        var seconds = (int)Math.Ceiling(_options.Deadline.TotalSeconds) + 1;
        if (level is null)
            return await work(new SqlSession(connection, null, _options.StatementBytes, seconds, deadline));
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var transaction = await connection.BeginTransactionAsync(level.Value, deadline);
                var result = await work(new SqlSession(connection, transaction, _options.StatementBytes, seconds, deadline));
                await transaction.CommitAsync(deadline);
                return result;
            }
            catch (DbException exception) when (attempt < Attempts && SqlErrors.IsDeadlock(exception))
            {
                // The database has rolled the transaction back.
                _metrics.Retries.Add(1, new KeyValuePair<string, object?>("store", store));
            }
            // Not all of them at the same moment again.
            await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(1, 10 * attempt)), TimeProvider.System, deadline);
        }
    }

    private async Task<DbConnection> OpenAsync(CancellationToken deadline)
    {
        try
        {
            return await _source.OpenConnectionAsync(deadline);
        }
        catch (DbException exception)
        {
            // Whatever it says, a wrong password included: without a connection the store is away.
            throw new StoreUnavailableException($"no connection: {exception.Message}", exception);
        }
    }

    private static async Task ObserveAsync(Task running)
    {
        try
        {
            await running;
        }
        catch (Exception)
        {
            // Counted and logged where it happened; nobody waits for it any more.
        }
    }

    private void Succeeded()
    {
        if (Volatile.Read(ref _failure) is null)
            return;
        Volatile.Write(ref _failure, null);
        SaverLog.DatabaseBack(_logger, Interlocked.Exchange(ref _failures, 0));
    }

    private StoreUnavailableException Failed(Exception exception)
    {
        var reason = exception is OperationCanceledException
            ? $"no answer within {_options.Deadline.TotalSeconds:0.###} s (Saver:MySql:Deadline)"
            : exception.Message;
        _metrics.Failures.Add(1, new KeyValuePair<string, object?>("reason", "away"));
        Interlocked.Increment(ref _failures);
        if (Interlocked.Exchange(ref _failure, reason) is null)
            SaverLog.DatabaseAway(_logger, reason);
        return new StoreUnavailableException($"The database does not answer: {reason}", exception);
    }
}
