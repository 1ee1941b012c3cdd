using System.Data.Common;
using PushSystem.MariaDb.Sessions;

namespace PushSystem.MariaDb;

/// <summary>
/// A pool of connections of its own. Thread-safe. Disposing it closes the idle ones; those in use are closed when they come back.
/// </summary>
public sealed class MariaDbDataSource : DbDataSource
{
    private readonly string _connectionString;
    private readonly SessionPool _pool;

    /// <summary>Opens nothing yet. Throws <see cref="ArgumentException"/> naming a bad key.</summary>
    public MariaDbDataSource(string connectionString)
    {
        ArgumentNullException.ThrowIfNull(connectionString);
        _connectionString = connectionString;
        _pool = new SessionPool(new MariaDbConnectionStringBuilder(connectionString).Read());
    }

    /// <inheritdoc/>
    public override string ConnectionString => _connectionString;

    /// <inheritdoc/>
    protected override DbConnection CreateDbConnection() => new MariaDbConnection(_connectionString, _pool);

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _pool.Close();

    /// <inheritdoc/>
    protected override ValueTask DisposeAsyncCore()
    {
        _pool.Close();
        return ValueTask.CompletedTask;
    }
}
