using System.Globalization;
using System.Text;

namespace PushSystem.MariaDb.Results;

/// <summary>Fields as CLR values. Pure.</summary>
internal static class FieldValue
{
    /// <summary>The value in the column's own type, or DBNull.</summary>
    public static object Read(ResultSet result, int row, int column)
    {
        if (result.IsNull(row, column))
            return DBNull.Value;
        var bytes = result.Field(row, column);
        return result.Columns[column].Kind switch
        {
            ColumnKind.Text => Encoding.UTF8.GetString(bytes),
            ColumnKind.Binary => bytes.ToArray(),
            ColumnKind.Boolean => FieldText.Integer(bytes) != 0,
            ColumnKind.SByte => checked((sbyte)FieldText.Integer(bytes)),
            ColumnKind.Byte => checked((byte)FieldText.Integer(bytes)),
            ColumnKind.Int16 => checked((short)FieldText.Integer(bytes)),
            ColumnKind.UInt16 => checked((ushort)FieldText.Integer(bytes)),
            ColumnKind.Int32 => checked((int)FieldText.Integer(bytes)),
            ColumnKind.UInt32 => checked((uint)FieldText.Integer(bytes)),
            ColumnKind.Int64 => FieldText.Integer(bytes),
            ColumnKind.UInt64 => FieldText.Unsigned(bytes),
            ColumnKind.Bits => FieldText.Bits(bytes),
            ColumnKind.Single => (float)FieldText.Double(bytes),
            ColumnKind.Double => FieldText.Double(bytes),
            ColumnKind.Decimal => FieldText.Decimal(bytes),
            ColumnKind.DateTime => FieldText.DateTime(bytes),
            _ => FieldText.TimeSpan(bytes),
        };
    }

    /// <summary>A whole number from any column of numbers. Throws <see cref="OverflowException"/> when it is too large.</summary>
    public static long Integer(ResultSet result, int row, int column)
    {
        var bytes = result.Field(row, column);
        return result.Columns[column].Kind switch
        {
            ColumnKind.Boolean or ColumnKind.SByte or ColumnKind.Byte or ColumnKind.Int16 or ColumnKind.UInt16 or ColumnKind.Int32
                or ColumnKind.UInt32 or ColumnKind.Int64 => FieldText.Integer(bytes),
            ColumnKind.UInt64 => checked((long)FieldText.Unsigned(bytes)),
            ColumnKind.Bits => checked((long)FieldText.Bits(bytes)),
            ColumnKind.Decimal => Whole(FieldText.Decimal(bytes)),
            _ => throw Cast(result.Columns[column], "a whole number"),
        };
    }

    /// <summary>A whole number of 64 bits from 0.</summary>
    public static ulong Unsigned(ResultSet result, int row, int column) => result.Columns[column].Kind switch
    {
        ColumnKind.UInt64 => FieldText.Unsigned(result.Field(row, column)),
        ColumnKind.Bits => FieldText.Bits(result.Field(row, column)),
        _ => checked((ulong)Integer(result, row, column)),
    };

    public static double Double(ResultSet result, int row, int column) => result.Columns[column].Kind switch
    {
        ColumnKind.Single or ColumnKind.Double or ColumnKind.Decimal => FieldText.Double(result.Field(row, column)),
        ColumnKind.UInt64 => FieldText.Unsigned(result.Field(row, column)),
        _ => Integer(result, row, column),
    };

    public static decimal Decimal(ResultSet result, int row, int column) => result.Columns[column].Kind switch
    {
        ColumnKind.Single or ColumnKind.Double or ColumnKind.Decimal => FieldText.Decimal(result.Field(row, column)),
        ColumnKind.UInt64 => FieldText.Unsigned(result.Field(row, column)),
        _ => Integer(result, row, column),
    };

    public static InvalidCastException Cast(Column column, string wanted) =>
        new(string.Create(CultureInfo.InvariantCulture, $"Column '{column.Name}' is {column.TypeName}, not {wanted}."));

    private static long Whole(decimal number) =>
        number == decimal.Truncate(number) ? decimal.ToInt64(number) : throw new OverflowException($"{number} is no whole number.");
}
