using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Saver.Sql;

/// <summary>
/// Connections for reading; each read sees the latest commit. Thread-safe: at most so many reads at a time as there are connections,
/// the others wait. Disposed by the store after every reader ended.
/// </summary>
internal sealed class ReaderPool(Func<RawConnection> open, int size) : IDisposable
{
    private readonly SemaphoreSlim _slots = new(size, size);
    private readonly ConcurrentStack<RawConnection> _idle = new();
    private volatile bool _disposed;

    /// <summary>
    /// Runs <paramref name="read"/> with a connection, on this thread. Failures of SQLite become <see cref="StoreUnavailableException"/>.
    /// </summary>
    public async ValueTask<TResult> ReadAsync<TState, TResult>(
        TState state, Func<RawConnection, TState, TResult> read, CancellationToken cancellationToken)
    {
        await _slots.WaitAsync(cancellationToken);
        RawConnection? connection = null;
        try
        {
            if (_disposed)
                throw new StoreUnavailableException("The message store is closed.");
            if (!_idle.TryPop(out connection))
                connection = open();
            var result = read(connection, state);
            Return(connection);
            return result;
        }
        catch (SqliteFailureException exception)
        {
            connection?.Dispose();
            throw new StoreUnavailableException("The message store could not be read.", exception);
        }
        catch
        {
            if (connection is not null)
                Return(connection);
            throw;
        }
        finally
        {
            _slots.Release();
        }
    }

    public void Dispose()
    {
        _disposed = true;
        while (_idle.TryPop(out var connection))
            connection.Dispose();
    }

    private void Return(RawConnection connection)
    {
        _idle.Push(connection);
        if (_disposed)
            Dispose();
    }
}
