using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Upstream;

/// <summary>
/// Ids and signatures after the Standard Webhooks specification 1.0: HMAC-SHA256 over "id.timestamp.body" with each secret.
/// Static; any thread.
/// </summary>
internal static class WebhookSignature
{
    /// <summary>
    /// The webhook-id: the same for every attempt, before and after a restart, and different for every event also when a store was
    /// set up anew and counts from 1 again.
    /// </summary>
    public static string IdOf(QueuedEvent item)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> numbers = stackalloc byte[16];
        BinaryPrimitives.WriteInt64BigEndian(numbers, item.Id);
        BinaryPrimitives.WriteInt64BigEndian(numbers[8..], item.CreatedAt);
        hash.AppendData(numbers);
        hash.AppendData(Encoding.UTF8.GetBytes($"{item.Key.App}\0{item.Key.User}\0{item.Type}\0"));
        hash.AppendData(item.Body.Span);
        return "evt_" + Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));
    }

    /// <summary>The webhook-signature header: one "v1,base64" for each secret, newest first.</summary>
    public static string Sign(IReadOnlyList<ReadOnlyMemory<byte>> secrets, string id, long timestamp, ReadOnlySpan<byte> body)
    {
        var prefix = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp}."));
        Span<byte> mac = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var header = new StringBuilder();
        foreach (var secret in secrets)
        {
            using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret.Span);
            hmac.AppendData(prefix);
            hmac.AppendData(body);
            hmac.GetHashAndReset(mac);
            if (header.Length > 0)
                header.Append(' ');
            header.Append("v1,").Append(Convert.ToBase64String(mac));
        }
        return header.ToString();
    }
}
