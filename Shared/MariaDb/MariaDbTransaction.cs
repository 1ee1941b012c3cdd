using System.Data;
using System.Data.Common;

namespace PushSystem.MariaDb;

/// <summary>
/// A transaction of a connection. Not thread-safe. When <see cref="CommitAsync"/> fails because the connection was lost, timed out or
/// was cancelled, nobody knows whether it was committed.
/// </summary>
public sealed class MariaDbTransaction : DbTransaction
{
    private MariaDbConnection? _connection;

    internal MariaDbTransaction(MariaDbConnection connection, IsolationLevel isolationLevel)
    {
        _connection = connection;
        IsolationLevel = isolationLevel;
    }

    /// <inheritdoc/>
    public override IsolationLevel IsolationLevel { get; }

    /// <summary>Null when it is over.</summary>
    protected override DbConnection? DbConnection => _connection;

    /// <inheritdoc/>
    public override void Commit() => CommitAsync().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override Task CommitAsync(CancellationToken cancellationToken = default) => EndAsync("COMMIT", cancellationToken);

    /// <inheritdoc/>
    public override void Rollback() => RollbackAsync().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override Task RollbackAsync(CancellationToken cancellationToken = default) => EndAsync("ROLLBACK", cancellationToken);

    /// <summary>Rolls back unless it is over.</summary>
    public override async ValueTask DisposeAsync()
    {
        if (_connection is { State: ConnectionState.Open } connection && connection.Transaction == this)
        {
            try
            {
                await RollbackAsync();
            }
            catch (MariaDbException)
            {
                // Without its connection the server rolls it back.
            }
        }
        GC.SuppressFinalize(this);
    }

    internal static string Statement(IsolationLevel level) => level switch
    {
        IsolationLevel.Unspecified => "",
        IsolationLevel.ReadUncommitted => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED;",
        IsolationLevel.ReadCommitted => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;",
        IsolationLevel.RepeatableRead => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;",
        IsolationLevel.Serializable => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;",
        _ => throw new NotSupportedException($"The isolation level {level} does not exist here."),
    };

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private async Task EndAsync(string statement, CancellationToken cancellationToken)
    {
        var connection = _connection;
        if (connection is null || connection.Transaction != this)
            throw new InvalidOperationException("The transaction is over.");
        try
        {
            await connection.RunAsync(statement, connection.CommandTimeout, cancellationToken);
        }
        finally
        {
            connection.Transaction = null;
            _connection = null;
        }
    }
}
