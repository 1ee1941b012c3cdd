using System.Data.Common;
using System.Text;

namespace PushSystem.Saver.MySql;

/// <summary>
/// A connection for one call, inside a transaction or not, with the call's deadline. One call at a time; lives no longer than the
/// work that got it.
/// </summary>
internal sealed class SqlSession(DbConnection connection, DbTransaction? transaction, int statementBytes, int seconds, CancellationToken deadline)
{
    /// <summary>Bytes at which a statement of many rows ends.</summary>
    public int StatementBytes => statementBytes;

    /// <summary>Texts are stored as bytes: they compare byte for byte, without any collation's rules.</summary>
    public static byte[] Key(string text) => Encoding.UTF8.GetBytes(text);

    /// <summary>Runs a statement; how many rows it found or changed.</summary>
    public async Task<int> RunAsync(string text, params (string Name, object? Value)[] values)
    {
        await using var command = Command(text, values);
        return await command.ExecuteNonQueryAsync(deadline);
    }

    /// <summary>Reads rows one by one.</summary>
    public async Task<List<T>> ReadAsync<T>(string text, Func<DbDataReader, T> row, params (string Name, object? Value)[] values)
    {
        await using var command = Command(text, values);
        await using var reader = await command.ExecuteReaderAsync(deadline);
        var rows = new List<T>();
        while (await reader.ReadAsync(deadline))
            rows.Add(row(reader));
        return rows;
    }

    /// <summary>A whole number, or null when there is no row or no value.</summary>
    public async Task<long?> NumberAsync(string text, params (string Name, object? Value)[] values)
    {
        await using var command = Command(text, values);
        return await command.ExecuteScalarAsync(deadline) is { } value and not DBNull
            ? Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture)
            : null;
    }

    private DbCommand Command(string text, ReadOnlySpan<(string Name, object? Value)> values)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        command.Transaction = transaction;
        command.CommandTimeout = seconds;
        foreach (var (name, value) in values)
        {
            var parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value ?? DBNull.Value;
            command.Parameters.Add(parameter);
        }
        return command;
    }
}

/// <summary>Short forms of reading.</summary>
internal static class ReaderFields
{
    /// <summary>A text that is stored as bytes.</summary>
    public static string Key(this DbDataReader reader, int column) => Encoding.UTF8.GetString((byte[])reader[column]);

    public static byte[] Bytes(this DbDataReader reader, int column) => (byte[])reader[column];
}
