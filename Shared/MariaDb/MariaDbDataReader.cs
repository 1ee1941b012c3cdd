using System.Collections;
using System.Data;
using System.Data.Common;
using System.Text;
using PushSystem.MariaDb.Results;

namespace PushSystem.MariaDb;

/// <summary>
/// Reads results that are in memory already; it never waits. Not thread-safe. Whole numbers are given as any type that they fit in;
/// NULL throws <see cref="InvalidCastException"/> unless it is read as an object.
/// </summary>
public sealed class MariaDbDataReader : DbDataReader
{
    private readonly List<ResultSet> _results;
    private readonly MariaDbConnection? _closing;
    private int _result = -1;
    private int _row = -1;
    private bool _closed;

    internal MariaDbDataReader(List<ResultSet> results, MariaDbConnection? closing)
    {
        _results = results;
        _closing = closing;
        NextResult();
    }

    /// <inheritdoc/>
    public override int Depth => 0;

    /// <inheritdoc/>
    public override int FieldCount => Current?.Columns.Length ?? 0;

    /// <inheritdoc/>
    public override bool HasRows => Current is { Rows: > 0 };

    /// <inheritdoc/>
    public override bool IsClosed => _closed;

    /// <summary>Rows that were changed, over all statements; -1 when there were only questions.</summary>
    public override int RecordsAffected
    {
        get
        {
            long changed = -1;
            foreach (var result in _results)
            {
                if (result.Changed >= 0)
                    changed = Math.Max(0, changed) + result.Changed;
            }
            return (int)Math.Min(changed, int.MaxValue);
        }
    }

    /// <inheritdoc/>
    public override object this[int ordinal] => GetValue(ordinal);

    /// <inheritdoc/>
    public override object this[string name] => GetValue(GetOrdinal(name));

    private ResultSet? Current => !_closed && _result >= 0 && _result < _results.Count ? _results[_result] : null;

    /// <inheritdoc/>
    public override bool Read()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        if (Current is not { } result || _row >= result.Rows)
            return false;
        return ++_row < result.Rows;
    }

    /// <summary>Goes to the next result that has columns.</summary>
    public override bool NextResult()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        _row = -1;
        do
        {
            if (_result >= _results.Count)
                return false;
            _result++;
        }
        while (_result < _results.Count && _results[_result].Columns.Length == 0);
        return _result < _results.Count;
    }

    /// <inheritdoc/>
    public override bool IsDBNull(int ordinal)
    {
        var (result, row) = At(ordinal);
        return result.IsNull(row, ordinal);
    }

    /// <inheritdoc/>
    public override object GetValue(int ordinal)
    {
        var (result, row) = At(ordinal);
        return FieldValue.Read(result, row, ordinal);
    }

    /// <inheritdoc/>
    public override int GetValues(object[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var count = Math.Min(values.Length, FieldCount);
        for (var i = 0; i < count; i++)
            values[i] = GetValue(i);
        return count;
    }

    /// <inheritdoc/>
    public override T GetFieldValue<T>(int ordinal)
    {
        if (typeof(T) == typeof(long))
            return (T)(object)GetInt64(ordinal);
        if (typeof(T) == typeof(int))
            return (T)(object)GetInt32(ordinal);
        if (typeof(T) == typeof(uint))
            return (T)(object)checked((uint)Integer(ordinal));
        if (typeof(T) == typeof(ulong))
            return (T)(object)GetUInt64(ordinal);
        if (typeof(T) == typeof(short))
            return (T)(object)GetInt16(ordinal);
        if (typeof(T) == typeof(ushort))
            return (T)(object)checked((ushort)Integer(ordinal));
        if (typeof(T) == typeof(byte))
            return (T)(object)GetByte(ordinal);
        if (typeof(T) == typeof(sbyte))
            return (T)(object)checked((sbyte)Integer(ordinal));
        if (typeof(T) == typeof(bool))
            return (T)(object)GetBoolean(ordinal);
        if (typeof(T) == typeof(decimal))
            return (T)(object)GetDecimal(ordinal);
        if (typeof(T) == typeof(double))
            return (T)(object)GetDouble(ordinal);
        if (typeof(T) == typeof(float))
            return (T)(object)GetFloat(ordinal);
        if (typeof(T) == typeof(DateTimeOffset))
            return (T)(object)new DateTimeOffset(DateTime.SpecifyKind(GetDateTime(ordinal), DateTimeKind.Utc));
        if (typeof(T) == typeof(Guid))
            return (T)(object)GetGuid(ordinal);
        if (typeof(T) == typeof(Stream))
            return (T)(object)GetStream(ordinal);
        if (typeof(T) == typeof(TextReader))
            return (T)(object)GetTextReader(ordinal);
        return GetValue(ordinal) is T value ? value : throw FieldValue.Cast(Current!.Columns[ordinal], typeof(T).Name);
    }

    /// <inheritdoc/>
    public override bool GetBoolean(int ordinal) => Integer(ordinal) != 0;

    /// <inheritdoc/>
    public override byte GetByte(int ordinal) => checked((byte)Integer(ordinal));

    /// <inheritdoc/>
    public override short GetInt16(int ordinal) => checked((short)Integer(ordinal));

    /// <inheritdoc/>
    public override int GetInt32(int ordinal) => checked((int)Integer(ordinal));

    /// <inheritdoc/>
    public override long GetInt64(int ordinal) => Integer(ordinal);

    /// <summary>A whole number from 0.</summary>
    public ulong GetUInt64(int ordinal)
    {
        var (result, row) = Value(ordinal);
        return FieldValue.Unsigned(result, row, ordinal);
    }

    /// <inheritdoc/>
    public override float GetFloat(int ordinal) => (float)GetDouble(ordinal);

    /// <inheritdoc/>
    public override double GetDouble(int ordinal)
    {
        var (result, row) = Value(ordinal);
        return FieldValue.Double(result, row, ordinal);
    }

    /// <inheritdoc/>
    public override decimal GetDecimal(int ordinal)
    {
        var (result, row) = Value(ordinal);
        return FieldValue.Decimal(result, row, ordinal);
    }

    /// <inheritdoc/>
    public override string GetString(int ordinal) => Encoding.UTF8.GetString(Bytes(ordinal, ColumnKind.Text, "a text"));

    /// <inheritdoc/>
    public override char GetChar(int ordinal) =>
        GetString(ordinal) is { Length: 1 } text ? text[0] : throw new InvalidCastException("The text is not one character long.");

    /// <inheritdoc/>
    public override Guid GetGuid(int ordinal) =>
        Guid.TryParse(GetString(ordinal), out var id) ? id : throw new InvalidCastException("The text is no Guid.");

    /// <inheritdoc/>
    public override DateTime GetDateTime(int ordinal) => FieldText.DateTime(Bytes(ordinal, ColumnKind.DateTime, "a date"));

    /// <summary>The value of a TIME column.</summary>
    public TimeSpan GetTimeSpan(int ordinal) => FieldText.TimeSpan(Bytes(ordinal, ColumnKind.TimeSpan, "a time"));

    /// <summary>Copies bytes of a binary column; without a buffer it tells their number.</summary>
    public override long GetBytes(int ordinal, long dataOffset, byte[]? buffer, int bufferOffset, int length)
    {
        var bytes = Bytes(ordinal, ColumnKind.Binary, "bytes");
        if (buffer is null)
            return bytes.Length;
        ArgumentOutOfRangeException.ThrowIfNegative(dataOffset);
        if (dataOffset >= bytes.Length)
            return 0;
        bytes = bytes[(int)dataOffset..];
        bytes = bytes[..Math.Min(length, bytes.Length)];
        bytes.CopyTo(buffer.AsSpan(bufferOffset));
        return bytes.Length;
    }

    /// <inheritdoc/>
    public override long GetChars(int ordinal, long dataOffset, char[]? buffer, int bufferOffset, int length)
    {
        var text = GetString(ordinal);
        if (buffer is null)
            return text.Length;
        ArgumentOutOfRangeException.ThrowIfNegative(dataOffset);
        var count = (int)Math.Min(length, Math.Max(0, text.Length - dataOffset));
        if (count > 0)
            text.CopyTo((int)dataOffset, buffer, bufferOffset, count);
        return count;
    }

    /// <inheritdoc/>
    public override string GetName(int ordinal) => ColumnAt(ordinal).Name;

    /// <inheritdoc/>
    public override string GetDataTypeName(int ordinal) => ColumnAt(ordinal).TypeName;

    /// <inheritdoc/>
    public override Type GetFieldType(int ordinal) => ColumnAt(ordinal).ClrType;

    /// <inheritdoc/>
    public override int GetOrdinal(string name)
    {
        var columns = Current?.Columns ?? [];
        var found = Array.FindIndex(columns, column => column.Name == name);
        if (found < 0)
            found = Array.FindIndex(columns, column => string.Equals(column.Name, name, StringComparison.OrdinalIgnoreCase));
        return found >= 0 ? found : throw new IndexOutOfRangeException($"The result has no column '{name}'.");
    }

    /// <inheritdoc/>
    public override IEnumerator GetEnumerator() => new DbEnumerator(this);

    /// <inheritdoc/>
    public override void Close()
    {
        if (_closed)
            return;
        _closed = true;
        _closing?.Close();
    }

    /// <inheritdoc/>
    public override async Task CloseAsync()
    {
        if (_closed)
            return;
        _closed = true;
        if (_closing is not null)
            await _closing.CloseAsync();
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await CloseAsync();
        await base.DisposeAsync();
    }

    private Column ColumnAt(int ordinal)
    {
        var columns = Current?.Columns ?? [];
        return (uint)ordinal < (uint)columns.Length
            ? columns[ordinal]
            : throw new IndexOutOfRangeException($"The result has no column {ordinal}; it has {columns.Length}.");
    }

    private (ResultSet Result, int Row) At(int ordinal)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        ColumnAt(ordinal);
        var result = Current!;
        return (uint)_row < (uint)result.Rows ? (result, _row) : throw new InvalidOperationException("The reader is not at a row.");
    }

    private (ResultSet Result, int Row) Value(int ordinal)
    {
        var (result, row) = At(ordinal);
        return result.IsNull(row, ordinal) ? throw new InvalidCastException($"Column '{result.Columns[ordinal].Name}' is NULL.") : (result, row);
    }

    private long Integer(int ordinal)
    {
        var (result, row) = Value(ordinal);
        return FieldValue.Integer(result, row, ordinal);
    }

    private ReadOnlySpan<byte> Bytes(int ordinal, ColumnKind kind, string wanted)
    {
        var (result, row) = Value(ordinal);
        return result.Columns[ordinal].Kind == kind ? result.Field(row, ordinal) : throw FieldValue.Cast(result.Columns[ordinal], wanted);
    }
}
