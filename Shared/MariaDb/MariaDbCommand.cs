using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using PushSystem.MariaDb.Results;
using PushSystem.MariaDb.Statements;

namespace PushSystem.MariaDb;

/// <summary>
/// One statement, or several separated by semicolons, with parameters @name. Not thread-safe. All results are in memory when the
/// answer comes, so a reader never waits. A timeout or cancellation ends the connection: the outcome of a write is unknown then.
/// </summary>
public sealed class MariaDbCommand : DbCommand
{
    private MariaDbConnection? _connection;
    private MariaDbTransaction? _transaction;
    private CancellationTokenSource? _cancel;
    private int? _timeout;

    /// <summary>Without text and connection.</summary>
    public MariaDbCommand()
    {
    }

    /// <summary>With both.</summary>
    public MariaDbCommand(string text, MariaDbConnection connection) => (CommandText, _connection) = (text, connection);

    /// <inheritdoc/>
    [AllowNull]
    public override string CommandText { get; set => field = value ?? ""; } = "";

    /// <summary>Seconds, 0 = never; by default the connection's.</summary>
    public override int CommandTimeout
    {
        get => _timeout ?? (int)(_connection?.CommandTimeout.TotalSeconds ?? 30);
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _timeout = value;
        }
    }

    /// <summary>Only Text.</summary>
    public override CommandType CommandType
    {
        get => CommandType.Text;
        set
        {
            if (value != CommandType.Text)
                throw new NotSupportedException("Only commands of type Text are supported.");
        }
    }

    /// <inheritdoc/>
    public override bool DesignTimeVisible { get; set; }

    /// <inheritdoc/>
    public override UpdateRowSource UpdatedRowSource { get; set; } = UpdateRowSource.None;

    /// <summary>The parameters.</summary>
    public new MariaDbParameterCollection Parameters { get; } = new();

    /// <inheritdoc/>
    protected override DbConnection? DbConnection
    {
        get => _connection;
        set => _connection = value is null ? null : value as MariaDbConnection ?? throw new InvalidCastException("The connection is another provider's.");
    }

    /// <inheritdoc/>
    protected override DbParameterCollection DbParameterCollection => Parameters;

    /// <inheritdoc/>
    protected override DbTransaction? DbTransaction
    {
        get => _transaction;
        set => _transaction = value is null ? null : value as MariaDbTransaction ?? throw new InvalidCastException("The transaction is another provider's.");
    }

    /// <summary>Ends the command that runs, and the connection. Any thread.</summary>
    public override void Cancel() => Volatile.Read(ref _cancel)?.Cancel();

    /// <summary>Does nothing: statements are sent as texts.</summary>
    public override void Prepare()
    {
    }

    /// <inheritdoc/>
    public override int ExecuteNonQuery() => Changed(Run());

    /// <inheritdoc/>
    public override async Task<int> ExecuteNonQueryAsync(CancellationToken cancellationToken) => Changed(await RunAsync(cancellationToken));

    /// <inheritdoc/>
    public override object? ExecuteScalar() => Scalar(Run());

    /// <inheritdoc/>
    public override async Task<object?> ExecuteScalarAsync(CancellationToken cancellationToken) => Scalar(await RunAsync(cancellationToken));

    /// <inheritdoc/>
    protected override DbParameter CreateDbParameter() => new MariaDbParameter();

    /// <inheritdoc/>
    protected override DbDataReader ExecuteDbDataReader(CommandBehavior behavior) => new MariaDbDataReader(Run(), Closing(behavior));

    /// <inheritdoc/>
    protected override async Task<DbDataReader> ExecuteDbDataReaderAsync(CommandBehavior behavior, CancellationToken cancellationToken) =>
        new MariaDbDataReader(await RunAsync(cancellationToken), Closing(behavior));

    private static int Changed(List<ResultSet> results)
    {
        long changed = -1;
        foreach (var result in results)
        {
            if (result.Changed >= 0)
                changed = Math.Max(0, changed) + result.Changed;
        }
        return (int)Math.Min(changed, int.MaxValue);
    }

    private static object? Scalar(List<ResultSet> results) =>
        results.Find(result => result.Columns.Length > 0) is { Rows: > 0 } rows ? FieldValue.Read(rows, 0, 0) : null;

    private MariaDbConnection? Closing(CommandBehavior behavior) => behavior.HasFlag(CommandBehavior.CloseConnection) ? _connection : null;

    // The answer comes from the session's own thread, so waiting for it needs no thread of the pool.
    private List<ResultSet> Run()
    {
        using var buffer = new StatementBuffer();
        return Start(buffer, CancellationToken.None).GetAwaiter().GetResult();
    }

    private async Task<List<ResultSet>> RunAsync(CancellationToken cancellationToken)
    {
        using var buffer = new StatementBuffer();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Volatile.Write(ref _cancel, cancel);
        try
        {
            return await Start(buffer, cancel.Token);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        finally
        {
            Volatile.Write(ref _cancel, null);
        }
    }

    private Task<List<ResultSet>> Start(StatementBuffer buffer, CancellationToken cancellationToken)
    {
        var connection = _connection ?? throw new InvalidOperationException("The command has no connection.");
        if (CommandText.Length == 0)
            throw new InvalidOperationException("The command has no text.");
        connection.OpenSession();
        if (connection.Transaction != _transaction)
            throw new InvalidOperationException("The command's transaction is not that of the connection.");
        var changes = StatementWriter.Write(buffer, CommandText, Parameters, connection.UserVariables);
        return connection.ExecuteAsync(buffer, changes, TimeSpan.FromSeconds(CommandTimeout), cancellationToken);
    }
}
