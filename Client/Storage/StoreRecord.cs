using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace PushSystem.Client.Storage;

/// <summary>What a record of the store says.</summary>
internal enum StoreRecordType : byte
{
    /// <summary>First record of a file: text 1 = device.</summary>
    Header = 1,
    /// <summary>Text 1 = app, text 2 = user, index = stream; epoch and value = last processed position.</summary>
    Position = 2,
    /// <summary>Text 1 = app, text 2 = user; value = highest upstream id that may have been used.</summary>
    SendIds = 3,
    /// <summary>Text 1 = "host:port", epoch = number of the list, index = place in it; value = Unix seconds when it gets old.</summary>
    Address = 4,
}

/// <summary>
/// One record of the store's file, always 192 bytes, so that a damaged one never hides the next:
/// <code>
/// 0..3   CRC-32C of bytes 4..191, little endian
/// 4      type   5 index   6 bytes of text 1   7 bytes of text 2
/// 8..11  epoch, little endian
/// 12..19 value, little endian
/// 20..   text 1, text 2 (UTF-8, together at most 172 bytes), zeros
/// </code>
/// </summary>
internal readonly record struct StoreRecord(StoreRecordType Type, byte Index, uint Epoch, long Value, string Text1, string Text2)
{
    /// <summary>Bytes of a record.</summary>
    public const int Size = 192;
    private const int TypeOffset = 4, IndexOffset = 5, Text1LengthOffset = 6, Text2LengthOffset = 7, EpochOffset = 8, ValueOffset = 12;
    private const int TextOffset = 20;
    /// <summary>Bytes that both texts may have together.</summary>
    public const int MaxTextBytes = Size - TextOffset;

    /// <summary>Writes all of the record.</summary>
    public void Write(Span<byte> destination)
    {
        destination = destination[..Size];
        destination.Clear();
        destination[TypeOffset] = (byte)Type;
        destination[IndexOffset] = Index;
        var text1 = Encoding.UTF8.GetBytes(Text1, destination[TextOffset..]);
        var text2 = Encoding.UTF8.GetBytes(Text2, destination[(TextOffset + text1)..]);
        destination[Text1LengthOffset] = (byte)text1;
        destination[Text2LengthOffset] = (byte)text2;
        BinaryPrimitives.WriteUInt32LittleEndian(destination[EpochOffset..], Epoch);
        BinaryPrimitives.WriteInt64LittleEndian(destination[ValueOffset..], Value);
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Checksum(destination));
    }

    /// <summary>False when the checksum or a length is wrong.</summary>
    public static bool TryRead(ReadOnlySpan<byte> source, out StoreRecord record)
    {
        record = default;
        source = source[..Size];
        int text1 = source[Text1LengthOffset], text2 = source[Text2LengthOffset];
        if (BinaryPrimitives.ReadUInt32LittleEndian(source) != Checksum(source) || text1 + text2 > MaxTextBytes)
            return false;
        record = new StoreRecord(
            (StoreRecordType)source[TypeOffset],
            source[IndexOffset],
            BinaryPrimitives.ReadUInt32LittleEndian(source[EpochOffset..]),
            BinaryPrimitives.ReadInt64LittleEndian(source[ValueOffset..]),
            Encoding.UTF8.GetString(source.Slice(TextOffset, text1)),
            Encoding.UTF8.GetString(source.Slice(TextOffset + text1, text2)));
        return true;
    }

    // An all-zero record, such as a hole left by a crash, must not be valid: the seed is not 0.
    private static uint Checksum(ReadOnlySpan<byte> record)
    {
        var crc = uint.MaxValue;
        for (var i = TypeOffset; i < Size; i += sizeof(uint))
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt32LittleEndian(record[i..]));
        return ~crc;
    }
}
