using System.Buffers.Binary;
using PushSystem.Contracts;

namespace PushSystem.Saver.Idempotency;

/// <summary>
/// The stored answer of an append: per message epoch (4 bytes), seq (8), acceptedAt (8), expiresAt (8), little-endian. Pure.
/// </summary>
internal static class AppendResultCodec
{
    private const int Size = 28;

    public static byte[] Write(ReadOnlySpan<AppendResult> results)
    {
        var bytes = new byte[results.Length * Size];
        for (var i = 0; i < results.Length; i++)
        {
            var at = bytes.AsSpan(i * Size, Size);
            BinaryPrimitives.WriteUInt32LittleEndian(at, results[i].Epoch);
            BinaryPrimitives.WriteInt64LittleEndian(at[4..], results[i].Seq);
            BinaryPrimitives.WriteInt64LittleEndian(at[12..], results[i].AcceptedAt);
            BinaryPrimitives.WriteInt64LittleEndian(at[20..], results[i].ExpiresAt);
        }
        return bytes;
    }

    public static AppendResult[] Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length % Size != 0)
            throw new InvalidDataException($"A stored answer has {bytes.Length} bytes, not a multiple of {Size}.");
        var results = new AppendResult[bytes.Length / Size];
        for (var i = 0; i < results.Length; i++)
        {
            var at = bytes.Slice(i * Size, Size);
            results[i] = new AppendResult(
                BinaryPrimitives.ReadUInt32LittleEndian(at), BinaryPrimitives.ReadInt64LittleEndian(at[4..]),
                BinaryPrimitives.ReadInt64LittleEndian(at[12..]), BinaryPrimitives.ReadInt64LittleEndian(at[20..]));
        }
        return results;
    }
}
