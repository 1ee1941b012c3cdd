using PushSystem.MariaDb.Native;

namespace PushSystem.MariaDb.Results;

/// <summary>How the value of a column is read.</summary>
internal enum ColumnKind
{
    Text,
    Binary,
    Boolean,
    SByte,
    Byte,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Single,
    Double,
    Decimal,
    DateTime,
    TimeSpan,
    Bits,
}

/// <summary>A column of a result. Immutable.</summary>
internal sealed class Column
{
    private const uint BinaryCharset = 63;
    private const uint UnsignedFlag = 32;

    public unsafe Column(FieldInfo field)
    {
        Name = LibMariaDb.Text(field.Name, (int)field.NameLength);
        var unsigned = (field.Flags & UnsignedFlag) != 0;
        (Kind, TypeName) = field.Type switch
        {
            1 => (field.Length.Value == 1 ? ColumnKind.Boolean : unsigned ? ColumnKind.Byte : ColumnKind.SByte, "TINYINT"),
            2 => (unsigned ? ColumnKind.UInt16 : ColumnKind.Int16, "SMALLINT"),
            3 => (unsigned ? ColumnKind.UInt32 : ColumnKind.Int32, "INT"),
            4 => (ColumnKind.Single, "FLOAT"),
            5 => (ColumnKind.Double, "DOUBLE"),
            8 => (unsigned ? ColumnKind.UInt64 : ColumnKind.Int64, "BIGINT"),
            9 => (unsigned ? ColumnKind.UInt32 : ColumnKind.Int32, "MEDIUMINT"),
            7 or 10 or 12 or 14 => (ColumnKind.DateTime, "DATETIME"),
            11 => (ColumnKind.TimeSpan, "TIME"),
            13 => (ColumnKind.Int32, "YEAR"),
            16 => (ColumnKind.Bits, "BIT"),
            0 or 246 => (ColumnKind.Decimal, "DECIMAL"),
            255 => (ColumnKind.Binary, "GEOMETRY"),
            _ => field.Charset == BinaryCharset && field.Type is not (6 or 245) ? (ColumnKind.Binary, "BLOB") : (ColumnKind.Text, "VARCHAR"),
        };
    }

    public string Name { get; }

    public ColumnKind Kind { get; }

    public string TypeName { get; }

    public Type ClrType => Kind switch
    {
        ColumnKind.Text => typeof(string),
        ColumnKind.Binary => typeof(byte[]),
        ColumnKind.Boolean => typeof(bool),
        ColumnKind.SByte => typeof(sbyte),
        ColumnKind.Byte => typeof(byte),
        ColumnKind.Int16 => typeof(short),
        ColumnKind.UInt16 => typeof(ushort),
        ColumnKind.Int32 => typeof(int),
        ColumnKind.UInt32 => typeof(uint),
        ColumnKind.Int64 => typeof(long),
        ColumnKind.UInt64 or ColumnKind.Bits => typeof(ulong),
        ColumnKind.Single => typeof(float),
        ColumnKind.Double => typeof(double),
        ColumnKind.Decimal => typeof(decimal),
        ColumnKind.DateTime => typeof(DateTime),
        _ => typeof(TimeSpan),
    };
}
