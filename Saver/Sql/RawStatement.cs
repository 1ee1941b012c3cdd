using System.Text;
using SQLitePCL;

namespace PushSystem.Saver.Sql;

/// <summary>
/// One prepared statement of a <see cref="RawConnection"/>, which owns it. Used by one thread at a time. Dispose only resets it, so
/// that `using var rows = connection.Use(...)` ends the read even when the loop was left early.
/// </summary>
internal sealed class RawStatement(RawConnection connection, sqlite3_stmt statement) : IDisposable
{
    public RawStatement Bind(int index, long value)
    {
        connection.Check(raw.sqlite3_bind_int64(statement, index, value));
        return this;
    }

    public RawStatement Bind(int index, string value)
    {
        if (value.Length == 0)
        {
            // An empty span would be bound as NULL.
            connection.Check(raw.sqlite3_bind_text(statement, index, value));
            return this;
        }
        var bytes = Encoding.UTF8.GetMaxByteCount(value.Length) <= 512 ? stackalloc byte[512] : new byte[Encoding.UTF8.GetByteCount(value)];
        connection.Check(raw.sqlite3_bind_text(statement, index, bytes[..Encoding.UTF8.GetBytes(value, bytes)]));
        return this;
    }

    public RawStatement Bind(int index, ReadOnlySpan<byte> value)
    {
        connection.Check(value.IsEmpty
            ? raw.sqlite3_bind_zeroblob(statement, index, 0)
            : raw.sqlite3_bind_blob(statement, index, value));
        return this;
    }

    public RawStatement BindNull(int index)
    {
        connection.Check(raw.sqlite3_bind_null(statement, index));
        return this;
    }

    /// <summary>True: there is a row. False: done, and the statement is reset.</summary>
    public bool Step()
    {
        var code = raw.sqlite3_step(statement);
        if (code == raw.SQLITE_ROW)
            return true;
        if (code == raw.SQLITE_DONE)
        {
            raw.sqlite3_reset(statement);
            return false;
        }
        var failure = connection.Failure(code);
        raw.sqlite3_reset(statement);
        throw failure;
    }

    /// <summary>Runs a statement that gives no rows.</summary>
    public void Run()
    {
        while (Step())
        {
        }
    }

    public long Long(int column) => raw.sqlite3_column_int64(statement, column);

    public int Int(int column) => checked((int)raw.sqlite3_column_int64(statement, column));

    public bool IsNull(int column) => raw.sqlite3_column_type(statement, column) == raw.SQLITE_NULL;

    // Read as bytes, because a text may contain a zero character.
    public string Text(int column) => Encoding.UTF8.GetString(raw.sqlite3_column_blob(statement, column));

    /// <summary>Valid until the next step.</summary>
    public ReadOnlySpan<byte> Blob(int column) => raw.sqlite3_column_blob(statement, column);

    public void Dispose() => raw.sqlite3_reset(statement);

    internal void Close() => statement.Dispose();
}
