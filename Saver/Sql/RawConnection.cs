using SQLitePCL;

namespace PushSystem.Saver.Sql;

/// <summary>
/// A SQLite connection with its prepared statements, directly over the C API: statements are prepared once and kept.
/// Used by one thread at a time (opened without SQLite's own mutex). Its opener disposes it.
/// </summary>
internal sealed class RawConnection : IDisposable
{
    private const int OpenNoMutex = 0x8000;

    private readonly sqlite3 _database;
    // By reference: the texts are constants, so that a look-up hashes no text.
    private readonly Dictionary<string, RawStatement> _statements = new(ReferenceEqualityComparer.Instance);
    private bool _disposed;

    static RawConnection() => Batteries_V2.Init();

    private RawConnection(sqlite3 database) => _database = database;

    /// <summary>Opens for writing (and creates), or read-only. Throws <see cref="SqliteFailureException"/>.</summary>
    public static RawConnection Open(string path, bool writable, long pageCacheBytes)
    {
        // Readers open writable too, because a read-only connection cannot take part in the WAL's shared memory after a crash;
        // query_only keeps them from writing.
        var code = raw.sqlite3_open_v2(path, out var database, raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_CREATE | OpenNoMutex, null);
        var connection = new RawConnection(database);
        try
        {
            connection.Check(code);
            raw.sqlite3_busy_timeout(database, 5_000);
            connection.Execute($"PRAGMA cache_size = -{Math.Max(1, pageCacheBytes / 1024)}");
            connection.Execute("PRAGMA temp_store = MEMORY");
            if (writable)
            {
                connection.Execute("PRAGMA journal_mode = WAL");
                connection.Execute("PRAGMA synchronous = FULL");
                connection.Execute("PRAGMA foreign_keys = OFF");
                connection.Execute("PRAGMA wal_autocheckpoint = 0");
            }
            else
            {
                connection.Execute("PRAGMA query_only = 1");
            }
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>The statement for a constant text, prepared once.</summary>
    public RawStatement Use(string sql)
    {
        if (_statements.TryGetValue(sql, out var statement))
            return statement;
        Check(raw.sqlite3_prepare_v2(_database, sql, out var prepared));
        statement = new RawStatement(this, prepared);
        _statements.Add(sql, statement);
        return statement;
    }

    /// <summary>Runs a script; rows are thrown away.</summary>
    public void Execute(string sql) => Check(raw.sqlite3_exec(_database, sql));

    /// <summary>A single number, 0 when there is no row. For texts made on the spot, which are not kept.</summary>
    public long Scalar(string sql)
    {
        Check(raw.sqlite3_prepare_v2(_database, sql, out var prepared));
        using (prepared)
        {
            var statement = new RawStatement(this, prepared);
            return statement.Step() ? statement.Long(0) : 0;
        }
    }

    public long LastRowId => raw.sqlite3_last_insert_rowid(_database);

    public int Changes => raw.sqlite3_changes(_database);

    /// <summary>Copies the log's pages into the database as far as readers let it; true when all were copied.</summary>
    public bool Checkpoint(bool truncate)
    {
        var mode = truncate ? raw.SQLITE_CHECKPOINT_TRUNCATE : raw.SQLITE_CHECKPOINT_PASSIVE;
        var code = raw.sqlite3_wal_checkpoint_v2(_database, "main", mode, out var logged, out var copied);
        if (code == raw.SQLITE_BUSY || code == raw.SQLITE_LOCKED)
            return false;
        Check(code);
        return logged == copied;
    }

    /// <summary>Pages written to the log since the last call.</summary>
    public long TakePagesWritten()
    {
        const int CacheWrite = 9;
        Check(raw.sqlite3_db_status(_database, CacheWrite, out var pages, out _, 1));
        return pages;
    }

    /// <summary>True while a transaction is open.</summary>
    public bool InTransaction => raw.sqlite3_get_autocommit(_database) == 0;

    public void Check(int code)
    {
        if (code != raw.SQLITE_OK)
            throw Failure(code);
    }

    public SqliteFailureException Failure(int code) => new(code, $"{raw.sqlite3_errmsg(_database).utf8_to_string()} (SQLite {code})");

    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (var statement in _statements.Values)
            statement.Close();
        _statements.Clear();
        _database.Dispose();
    }
}

/// <summary>SQLite said no. <see cref="Code"/> is the primary result code.</summary>
internal sealed class SqliteFailureException(int code, string message) : Exception(message)
{
    public int Code => code & 0xFF;

    /// <summary>The disk, the file or memory is the cause, not the statement.</summary>
    public bool IsStorage => Code is raw.SQLITE_FULL or raw.SQLITE_BUSY or raw.SQLITE_LOCKED or raw.SQLITE_NOMEM || NeedsReopen;

    /// <summary>What is in memory may differ from what is on disk now.</summary>
    public bool NeedsReopen => Code is raw.SQLITE_IOERR or raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB or raw.SQLITE_CANTOPEN
        or raw.SQLITE_READONLY or raw.SQLITE_PROTOCOL;
}
