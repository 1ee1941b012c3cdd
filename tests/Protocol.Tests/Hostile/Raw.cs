using System.Text;

namespace PushSystem.Protocol.Tests.Hostile;

/// <summary>Puts bytes together that no writer of the codec would write.</summary>
internal sealed class Raw
{
    private readonly List<byte> _bytes = [];

    /// <summary>Bytes as they are.</summary>
    public Raw Bytes(params ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    /// <summary>A number in its shortest form, up to 64 bits.</summary>
    public Raw Number(ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            _bytes.Add((byte)(value | 0x80));
        _bytes.Add((byte)value);
        return this;
    }

    /// <summary>Length and text.</summary>
    public Raw Text(string value)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        return Number((ulong)bytes.Length).Bytes(bytes);
    }

    /// <summary>Length and bytes that claim to be text.</summary>
    public Raw TextOf(params ReadOnlySpan<byte> bytes) => Number((ulong)bytes.Length).Bytes(bytes);

    /// <summary>One byte many times.</summary>
    public Raw Fill(byte value, int count)
    {
        for (var i = 0; i < count; i++)
            _bytes.Add(value);
        return this;
    }

    /// <summary>The bytes so far.</summary>
    public byte[] Done() => [.. _bytes];

    /// <summary>Header of the named frame in front of the bytes so far.</summary>
    public byte[] Frame(Opcode opcode) => new Raw().Bytes((byte)opcode).Number((ulong)_bytes.Count).Bytes([.. _bytes]).Done();
}
