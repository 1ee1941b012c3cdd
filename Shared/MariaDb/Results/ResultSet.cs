using System.Runtime.InteropServices;
using PushSystem.MariaDb.Native;

namespace PushSystem.MariaDb.Results;

/// <summary>
/// One result in memory of the process: columns and rows, or the number of changed rows. Filled on the session's thread, then read by
/// whoever has the reader; nothing of the library is referred to.
/// </summary>
internal sealed unsafe class ResultSet
{
    // Rows lie one behind the other in pieces of this size; a larger row has a piece of its own.
    private const int PieceBytes = 64 * 1024;

    private readonly List<byte[]> _pieces = [];
    private readonly List<(int Piece, int Offset)> _rows = [];
    private readonly int[] _lengths;
    private int _used = PieceBytes;

    private ResultSet(Column[] columns, long changed)
    {
        Columns = columns;
        Changed = changed;
        _lengths = new int[columns.Length];
    }

    /// <summary>Empty for a statement that gives no rows.</summary>
    public Column[] Columns { get; }

    /// <summary>Rows changed (or found), -1 for a result with rows.</summary>
    public long Changed { get; }

    public int Rows => _rows.Count;

    public static ResultSet OfChange(long changed) => new([], changed);

    public static ResultSet OfRows(nint native)
    {
        var columns = new Column[LibMariaDb.ResultFields(native)];
        var fields = LibMariaDb.Fields(native);
        for (var i = 0; i < columns.Length; i++)
            columns[i] = new Column(fields[i]);
        return new ResultSet(columns, -1);
    }

    /// <summary>Copies a row: the lengths of its fields (-1 = NULL), then their bytes.</summary>
    public void AddRow(byte** values, CULong* lengths)
    {
        var header = _lengths.Length * sizeof(int);
        var total = (long)header;
        for (var i = 0; i < _lengths.Length; i++)
        {
            _lengths[i] = values[i] is null ? -1 : checked((int)lengths[i].Value);
            total += Math.Max(0, _lengths[i]);
        }
        var room = Take(checked((int)total));
        MemoryMarshal.AsBytes(_lengths.AsSpan()).CopyTo(room);
        room = room[header..];
        for (var i = 0; i < _lengths.Length; i++)
        {
            if (_lengths[i] <= 0)
                continue;
            new ReadOnlySpan<byte>(values[i], _lengths[i]).CopyTo(room);
            room = room[_lengths[i]..];
        }
    }

    public bool IsNull(int row, int column) => Length(At(row), column) < 0;

    /// <summary>The bytes of a field; of NULL none.</summary>
    public ReadOnlySpan<byte> Field(int row, int column)
    {
        var bytes = At(row);
        var offset = Columns.Length * sizeof(int);
        for (var i = 0; i < column; i++)
            offset += Math.Max(0, Length(bytes, i));
        return bytes.Slice(offset, Math.Max(0, Length(bytes, column)));
    }

    private static int Length(ReadOnlySpan<byte> row, int column) => MemoryMarshal.Read<int>(row[(column * sizeof(int))..]);

    private ReadOnlySpan<byte> At(int row)
    {
        var (piece, offset) = _rows[row];
        return _pieces[piece].AsSpan(offset);
    }

    private Span<byte> Take(int bytes)
    {
        if (_pieces.Count == 0 || _pieces[^1].Length - _used < bytes)
        {
            // The first piece is as small as its row, because most results have one.
            _pieces.Add(new byte[_pieces.Count == 0 ? Math.Max(bytes, 256) : Math.Max(bytes, PieceBytes)]);
            _used = 0;
        }
        _rows.Add((_pieces.Count - 1, _used));
        var room = _pieces[^1].AsSpan(_used, bytes);
        _used += bytes;
        return room;
    }
}
