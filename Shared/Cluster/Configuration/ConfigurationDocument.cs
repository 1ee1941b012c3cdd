using System.IO.Compression;
using System.Text;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// The document as bytes in etcd: plain UTF-8, or gzip when it is long. etcd refuses requests above 1.5 MiB, and an apply carries the
/// document twice (in force and history), which a list of networks would reach soon. Pure.
/// </summary>
public static class ConfigurationDocument
{
    /// <summary>Most bytes as stored.</summary>
    public const int MaxStoredBytes = 700 * 1024;

    private const int PlainBytes = 64 * 1024;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The bytes to store. Throws <see cref="ConfigurationException"/> when they are too many.</summary>
    public static byte[] Pack(string yaml)
    {
        var plain = Encoding.UTF8.GetBytes(yaml);
        if (plain.Length <= PlainBytes)
            return plain;
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            gzip.Write(plain);
        return packed.Length <= MaxStoredBytes
            ? packed.ToArray()
            : throw new ConfigurationException("", 0, $"the document has {packed.Length} bytes packed, at most {MaxStoredBytes} are allowed");
    }

    /// <summary>The document. Throws <see cref="ConfigurationException"/> when the bytes are none.</summary>
    public static string Unpack(ReadOnlyMemory<byte> stored)
    {
        try
        {
            return Strict.GetString(stored.Span is [0x1f, 0x8b, ..] ? Inflate(stored) : stored.Span);
        }
        catch (Exception exception) when (exception is InvalidDataException or ArgumentException)
        {
            throw new ConfigurationException("", 0, $"the stored bytes are no document: {exception.Message}");
        }
    }

    // Bounded while it grows: a few bytes can be packed from very many.
    private static ReadOnlySpan<byte> Inflate(ReadOnlyMemory<byte> packed)
    {
        using var gzip = new GZipStream(new MemoryStream(packed.ToArray()), CompressionMode.Decompress);
        var plain = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (var read = gzip.Read(buffer); read > 0; read = gzip.Read(buffer))
        {
            plain.Write(buffer, 0, read);
            if (plain.Length > YamlTree.MaxLength)
                throw new ConfigurationException("", 0, $"the document has more than {YamlTree.MaxLength} bytes");
        }
        return plain.GetBuffer().AsSpan(0, (int)plain.Length);
    }
}
