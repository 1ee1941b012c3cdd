using System.Data;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;

namespace PushSystem.MariaDb;

/// <summary>A value for a @name in a command's text; how it is written follows from the value's type. Not thread-safe.</summary>
public sealed class MariaDbParameter : DbParameter
{
    private string _name = "";

    /// <summary>Without name and value.</summary>
    public MariaDbParameter()
    {
    }

    /// <summary>With both.</summary>
    public MariaDbParameter(string name, object? value) => (ParameterName, Value) = (name, value);

    /// <summary>With or without the @.</summary>
    [AllowNull]
    public override string ParameterName
    {
        get => _name;
        set => _name = value ?? "";
    }

    /// <summary>
    /// null, DBNull, bool, whole numbers, decimal, float, double, string, char, byte[], ReadOnlyMemory or ArraySegment of bytes, DateTime (as it is),
    /// DateTimeOffset (as UTC), DateOnly, TimeOnly, TimeSpan, Guid (36 characters), enums (their number).
    /// </summary>
    public override object? Value { get; set; }

    /// <summary>Kept, but of no effect.</summary>
    public override DbType DbType { get; set; } = DbType.Object;

    /// <summary>Only Input.</summary>
    public override ParameterDirection Direction
    {
        get => ParameterDirection.Input;
        set
        {
            if (value != ParameterDirection.Input)
                throw new NotSupportedException("Parameters are for input only.");
        }
    }

    /// <inheritdoc/>
    public override bool IsNullable { get; set; } = true;

    /// <summary>Kept, but of no effect.</summary>
    public override int Size { get; set; }

    /// <inheritdoc/>
    [AllowNull]
    public override string SourceColumn { get; set; } = "";

    /// <inheritdoc/>
    public override bool SourceColumnNullMapping { get; set; }

    internal ReadOnlySpan<char> BareName => _name.StartsWith('@') ? _name.AsSpan(1) : _name;

    /// <inheritdoc/>
    public override void ResetDbType() => DbType = DbType.Object;
}
