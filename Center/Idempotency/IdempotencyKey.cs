using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace PushSystem.Center.Idempotency;

/// <summary>The header Idempotency-Key and the fingerprint of the request that it names.</summary>
internal static class IdempotencyKey
{
    public const string Header = "Idempotency-Key", ReplayedHeader = "Idempotent-Replayed";
    public const int MaxLength = 128;

    /// <summary>The key, or null when there is none. Throws the problem to answer with.</summary>
    public static string? Read(HttpRequest request)
    {
        var values = request.Headers[Header];
        if (values.Count == 0)
            return null;
        var key = values.Count == 1 ? values[0] : null;
        if (key is not { Length: > 0 and <= MaxLength } || key.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            throw Problems.Invalid(Header, "The header's value is not allowed.", $"one value of 1 to {MaxLength} printable ASCII characters");
        return key;
    }

    /// <summary>SHA-256 of method, path and body.</summary>
    public static byte[] Fingerprint(HttpRequest request, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path.Value}\n"));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }
}
