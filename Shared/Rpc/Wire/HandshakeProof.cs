using System.Security.Cryptography;

namespace PushSystem.Rpc.Wire;

/// <summary>
/// HMAC-SHA256 with the cluster key over everything that was said, so that both nonces, both ids, the versions and the server's
/// certificate are bound; the label keeps one side's proof from serving as the other's. Pure; thread-safe.
/// </summary>
internal static class HandshakeProof
{
    public const int MacBytes = 32;
    public const int BindingBytes = 32;

    private static ReadOnlySpan<byte> ClientLabel => "PushSystem node link 1: client\0"u8;

    private static ReadOnlySpan<byte> ServerLabel => "PushSystem node link 1: server\0"u8;

    public static byte[] OfClient(byte[] key, ReadOnlySpan<byte> binding, ReadOnlySpan<byte> hello, ReadOnlySpan<byte> challenge)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        hash.AppendData(ClientLabel);
        hash.AppendData(binding);
        hash.AppendData(hello);
        hash.AppendData(challenge);
        return hash.GetHashAndReset();
    }

    public static byte[] OfServer(
        byte[] key, ReadOnlySpan<byte> binding, ReadOnlySpan<byte> hello, ReadOnlySpan<byte> challenge, ReadOnlySpan<byte> proof, ReadOnlySpan<byte> welcome)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        hash.AppendData(ServerLabel);
        hash.AppendData(binding);
        hash.AppendData(hello);
        hash.AppendData(challenge);
        hash.AppendData(proof);
        hash.AppendData(welcome[..HandshakeMessage.HeadBytes]);
        hash.AppendData(welcome[Welcome.LimitsAt..]);
        return hash.GetHashAndReset();
    }

    /// <summary>Compares in a time that does not depend on where the first difference is.</summary>
    public static bool Same(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> message) =>
        message.Length >= HandshakeMessage.HeadBytes + MacBytes
        && CryptographicOperations.FixedTimeEquals(expected, message.Slice(HandshakeMessage.HeadBytes, MacBytes));
}
