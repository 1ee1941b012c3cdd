using System.Collections.Concurrent;
using PushSystem.Contracts;

namespace PushSystem.Saver.Sql;

/// <summary>
/// Connections for reading; each read sees the latest commit. Thread-safe: at most so many reads at a time as there are connections,
/// the others wait. Disposed by the store; reads that run then end first, those that wait are refused.
/// </summary>
internal sealed class ReaderPool(Func<RawConnection> open, int size) : IAsyncDisposable
{
#pragma warning disable CA2213 // Those that still wait for it must wake up and be refused; it owns no handle.
    private readonly SemaphoreSlim _slots = new(size, size);
#pragma warning restore CA2213
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
            _idle.Push(connection);
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
                _idle.Push(connection);
            throw;
        }
        finally
        {
            _slots.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        for (var i = 0; i < size; i++)
            await _slots.WaitAsync();
        while (_idle.TryPop(out var connection))
            connection.Dispose();
        _slots.Release(size);
    }
}
