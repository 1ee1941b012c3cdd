using System.Security.Cryptography;
using System.Text;

namespace PushSystem.Cluster.Apps;

/// <summary>
/// Seals app records for etcd: AES-256-GCM under a key derived from the cluster key (HKDF-SHA256), with the app's id as associated
/// data, so that a record cannot be moved to another app. A second, older key opens but never seals. Layout: version (1 byte, 1), key
/// tag (4 bytes, derived, not secret), nonce (12, random), ciphertext, tag (16).
/// Owns the keys; thread-safe; whoever made it disposes it.
/// </summary>
public sealed class AppCipher : IDisposable
{
    private const byte Version = 1;
    private const int TagAt = 1, KeyTagBytes = 4, NonceAt = TagAt + KeyTagBytes, NonceBytes = 12, CipherAt = NonceAt + NonceBytes, MacBytes = 16;

    private readonly SealingKey[] _keys;

    /// <summary>The current cluster key first, then, while it is replaced, the one before.</summary>
    public AppCipher(IReadOnlyList<byte[]> clusterKeys)
    {
        if (clusterKeys.Count is not (1 or 2))
            throw new ArgumentException($"{clusterKeys.Count} cluster keys were given, 1 or 2 are allowed", nameof(clusterKeys));
        _keys = [.. clusterKeys.Select(key => new SealingKey(key))];
    }

    /// <summary>Seals under the current key.</summary>
    public byte[] Seal(string app, ReadOnlySpan<byte> plain)
    {
        var key = _keys[0];
        var result = new byte[CipherAt + plain.Length + MacBytes];
        result[0] = Version;
        key.Tag.CopyTo(result, TagAt);
        var nonce = result.AsSpan(NonceAt, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        // One instance may not be used by two threads at once; making one is cheap beside a write to etcd.
        using var aes = new AesGcm(key.Key, MacBytes);
        aes.Encrypt(nonce, plain, result.AsSpan(CipherAt, plain.Length), result.AsSpan(CipherAt + plain.Length), Encoding.UTF8.GetBytes(app));
        return result;
    }

    /// <summary>Opens what was sealed for this app. Throws <see cref="CryptographicException"/> that says why not.</summary>
    public byte[] Open(string app, ReadOnlySpan<byte> value)
    {
        if (value.Length < CipherAt + MacBytes)
            throw new CryptographicException($"{value.Length} bytes are too few for a sealed record");
        if (value[0] != Version)
            throw new CryptographicException($"version {value[0]} of the sealed record is not known");
        foreach (var key in _keys)
        {
            if (!value.Slice(TagAt, KeyTagBytes).SequenceEqual(key.Tag))
                continue;
            var cipher = value[CipherAt..^MacBytes];
            var plain = new byte[cipher.Length];
            using var aes = new AesGcm(key.Key, MacBytes);
            aes.Decrypt(value.Slice(NonceAt, NonceBytes), cipher, value[^MacBytes..], plain, Encoding.UTF8.GetBytes(app));
            return plain;
        }
        throw new CryptographicException("it is sealed with a cluster key that this process does not have");
    }

    /// <summary>It was sealed under the current key.</summary>
    public bool IsCurrent(ReadOnlySpan<byte> value) =>
        value.Length >= CipherAt && value[0] == Version && value.Slice(TagAt, KeyTagBytes).SequenceEqual(_keys[0].Tag);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var key in _keys)
            CryptographicOperations.ZeroMemory(key.Key);
    }

    private sealed class SealingKey(byte[] clusterKey)
    {
        public byte[] Key { get; } = Derive(clusterKey, 32, "pushsystem apps v1 key");
        public byte[] Tag { get; } = Derive(clusterKey, KeyTagBytes, "pushsystem apps v1 tag");

        private static byte[] Derive(byte[] clusterKey, int length, string purpose) =>
            HKDF.DeriveKey(HashAlgorithmName.SHA256, clusterKey, length, info: Encoding.ASCII.GetBytes(purpose));
    }
}
