using System.Globalization;
using System.Text;

namespace PushSystem.Saver.MySql;

/// <summary>
/// Gathers rows, or other repeated pieces of a statement, and runs it whenever it becomes large: "head (a, b), (c, d) tail". One
/// thread, one transaction.
/// </summary>
internal sealed class SqlRows(SqlSession session, string head, string tail = "")
{
    private const int MaxRows = 1_000;

    private readonly StringBuilder _text = new();
    private readonly List<(string, object?)> _values = [];
    private long _bytes;
    private int _rows;

    /// <summary>Rows that all statements found or changed so far.</summary>
    public int Changed { get; private set; }

    /// <summary>Adds a row. <paramref name="bytes"/> is what its values take, about.</summary>
    public async Task AddAsync(int bytes, params object?[] values)
    {
        // Bytes are sent as hexadecimal digits.
        if (_rows > 0 && (_rows >= MaxRows || _bytes + (2L * bytes) > session.StatementBytes))
            await FlushAsync();
        _text.Append(_rows == 0 ? "(" : ", (");
        for (var i = 0; i < values.Length; i++)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"@r{_values.Count}");
            _text.Append(i == 0 ? "" : ", ").Append(name);
            _values.Add((name, values[i]));
        }
        _text.Append(')');
        _rows++;
        _bytes += (2L * bytes) + 32;
    }

    /// <summary>Runs what is left.</summary>
    public async Task FlushAsync()
    {
        if (_rows == 0)
            return;
        var text = $"{head} {_text} {tail}";
        (string, object?)[] values = [.. _values];
        _text.Clear();
        _values.Clear();
        (_rows, _bytes) = (0, 0);
        Changed += Math.Max(0, await session.RunAsync(text, values));
    }

    /// <summary>"@k0, @k1" for a list of values, with the parameters.</summary>
    public static (string Names, (string, object?)[] Values) List<T>(IEnumerable<T> items, params ReadOnlySpan<(string, object?)> others)
    {
        var values = new List<(string, object?)>();
        var names = new StringBuilder();
        foreach (var item in items)
        {
            var name = string.Create(CultureInfo.InvariantCulture, $"@k{values.Count}");
            names.Append(values.Count == 0 ? "" : ", ").Append(name);
            values.Add((name, item));
        }
        values.AddRange(others);
        return (names.ToString(), [.. values]);
    }
}
