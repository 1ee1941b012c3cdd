using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using PushSystem.MariaDb.Results;
using PushSystem.MariaDb.Sessions;
using PushSystem.MariaDb.Statements;

namespace PushSystem.MariaDb;

/// <summary>
/// A connection from a pool. Not thread-safe: one command at a time. Whoever opens it closes it; that gives the server's connection
/// back to the pool, or ends it when it is broken. A command that times out or is cancelled breaks it.
/// </summary>
public sealed class MariaDbConnection : DbConnection
{
    private static readonly TimeSpan RollbackLimit = TimeSpan.FromSeconds(5);

    private SessionPool? _pool;
    private Session? _session;
    private string _connectionString = "";
    private string? _database;

    /// <summary>Closed and without a connection string.</summary>
    public MariaDbConnection()
    {
    }

    /// <summary>Closed; the pool is that of the connection string.</summary>
    public MariaDbConnection(string connectionString) => ConnectionString = connectionString;

    internal MariaDbConnection(string connectionString, SessionPool pool) => (_connectionString, _pool) = (connectionString, pool);

    /// <inheritdoc/>
    [AllowNull]
    public override string ConnectionString
    {
        get => _connectionString;
        set
        {
            if (_session is not null)
                throw new InvalidOperationException("The connection is open.");
            var text = value ?? "";
            _pool = PoolTable.Get(text);
            _connectionString = text;
        }
    }

    /// <inheritdoc/>
    public override int ConnectionTimeout => (int)(Settings?.ConnectTimeout.TotalSeconds ?? 15);

    /// <inheritdoc/>
    public override string Database => _database ?? Settings?.Database ?? "";

    /// <summary>Host and port.</summary>
    public override string DataSource => Settings is { } settings ? $"{settings.Server}:{settings.Port}" : "";

    /// <inheritdoc/>
    public override string ServerVersion => OpenSession().ServerVersion;

    /// <summary>Name of the cipher in use, "" when the connection is not encrypted.</summary>
    public string TlsCipher => OpenSession().TlsCipher;

    /// <inheritdoc/>
    public override ConnectionState State =>
        _session is null ? ConnectionState.Closed : _session.IsBroken ? ConnectionState.Broken : ConnectionState.Open;

    /// <inheritdoc/>
    protected override DbProviderFactory DbProviderFactory => MariaDbFactory.Instance;

    internal MariaDbTransaction? Transaction { get; set; }

    internal bool UserVariables => Settings?.UserVariables ?? false;

    internal TimeSpan CommandTimeout => Settings?.CommandTimeout ?? TimeSpan.FromSeconds(30);

    private ConnectionSettings? Settings => _pool?.Settings;

    /// <summary>Closes all idle connections that were made without a data source.</summary>
    public static void ClearAllPools() => PoolTable.Clear();

    /// <inheritdoc/>
    public override void Open() => OpenAsync(CancellationToken.None).GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override async Task OpenAsync(CancellationToken cancellationToken)
    {
        if (_session is not null)
            throw new InvalidOperationException("The connection is open already.");
        var pool = _pool ?? throw new InvalidOperationException("The connection has no connection string.");
        _session = await pool.RentAsync(cancellationToken);
        OnStateChange(new StateChangeEventArgs(ConnectionState.Closed, ConnectionState.Open));
    }

    /// <inheritdoc/>
    public override void Close() => CloseAsync().GetAwaiter().GetResult();

    /// <summary>Rolls an open transaction back and gives the server's connection to the pool; ends it when a command is still running.</summary>
    public override async Task CloseAsync()
    {
        if (_session is not { } session)
            return;
        if (session is { IsInTransaction: true, IsBroken: false, IsBusy: false })
        {
            try
            {
                await RunAsync("ROLLBACK", RollbackLimit, CancellationToken.None);
            }
            catch (MariaDbException)
            {
                // The pool closes a session that is still in a transaction; the server rolls back then.
            }
        }
        _session = null;
        _database = null;
        Transaction = null;
        _pool!.Return(session);
        OnStateChange(new StateChangeEventArgs(ConnectionState.Open, ConnectionState.Closed));
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await base.DisposeAsync();
    }

    /// <inheritdoc/>
    public override void ChangeDatabase(string databaseName) => ChangeDatabaseAsync(databaseName).GetAwaiter().GetResult();

    /// <inheritdoc/>
    public override async Task ChangeDatabaseAsync(string databaseName, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(databaseName);
        // Resetting a session does not bring the first database back.
        OpenSession().IsChanged = true;
        await RunAsync($"USE `{databaseName.Replace("`", "``", StringComparison.Ordinal)}`", CommandTimeout, cancellationToken);
        _database = databaseName;
    }

    /// <inheritdoc/>
    public override void EnlistTransaction(System.Transactions.Transaction? transaction) =>
        throw new NotSupportedException("Distributed transactions are not supported.");

    internal Task<List<ResultSet>> ExecuteAsync(StatementBuffer buffer, bool changes, TimeSpan limit, CancellationToken cancellationToken)
    {
        var session = OpenSession();
        session.IsChanged |= changes;
        return session.QueryAsync(buffer.Written, limit, cancellationToken);
    }

    /// <summary>Runs a statement of the provider's own.</summary>
    internal async Task RunAsync(string text, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var buffer = new StatementBuffer();
        buffer.WriteText(text);
        await ExecuteAsync(buffer, changes: false, limit, cancellationToken);
    }

    internal Session OpenSession() => _session ?? throw new InvalidOperationException("The connection is closed.");

    /// <inheritdoc/>
    protected override DbTransaction BeginDbTransaction(IsolationLevel isolationLevel) =>
        BeginDbTransactionAsync(isolationLevel, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    protected override async ValueTask<DbTransaction> BeginDbTransactionAsync(IsolationLevel isolationLevel, CancellationToken cancellationToken)
    {
        if (Transaction is not null)
            throw new InvalidOperationException("The connection has a transaction already; they do not nest.");
        OpenSession();
        var level = MariaDbTransaction.Statement(isolationLevel);
        await RunAsync(level + "START TRANSACTION", CommandTimeout, cancellationToken);
        return Transaction = new MariaDbTransaction(this, isolationLevel);
    }

    /// <inheritdoc/>
    protected override DbCommand CreateDbCommand() => new MariaDbCommand { Connection = this };

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            Close();
        base.Dispose(disposing);
    }
}
