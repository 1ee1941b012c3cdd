using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using PushSystem.Contracts;

namespace PushSystem.Center.Auth;

/// <summary>
/// Finds out who calls, from "Authorization: Bearer KEY". Keys are compared by their SHA-256, the hash in constant time, so that
/// neither time nor the answer tells how close a guess was.
/// </summary>
internal sealed class CallerAuth(IAppDirectory apps, CenterOptions options)
{
    private const string Scheme = "Bearer ";
    private const int MaxKeyLength = 256;

    private readonly byte[] _adminHash = Convert.FromHexString(options.AdminKeyHash);

    /// <summary>The caller's app, enabled. Throws the problem to answer with.</summary>
    public AppRecord RequireApp(HttpRequest request)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        if (!TryHash(request, hash, out var isAdminKey))
            throw Problems.Unauthorized();
        if (isAdminKey)
            throw IsAdmin(hash) ? Problems.AppKeyNeeded() : Problems.Unauthorized();
        if (apps.FindByApiKeyHash(hash) is not { } app || !Owns(app, hash))
            throw Problems.Unauthorized();
        return app.Enabled ? app : throw Problems.AppDisabled(app.Id);
    }

    /// <summary>Returns if the caller holds the admin key. Throws the problem to answer with.</summary>
    public void RequireAdmin(HttpRequest request)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        if (!TryHash(request, hash, out var isAdminKey))
            throw Problems.Unauthorized();
        if (isAdminKey)
        {
            if (!IsAdmin(hash))
                throw Problems.Unauthorized();
            return;
        }
        throw apps.FindByApiKeyHash(hash) is { } app && Owns(app, hash) ? Problems.AdminKeyNeeded() : Problems.Unauthorized();
    }

    private static bool TryHash(HttpRequest request, Span<byte> hash, out bool isAdminKey)
    {
        isAdminKey = false;
        var header = request.Headers.Authorization;
        if (header.Count != 1 || header[0] is not { } value || !value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            return false;
        var key = value.AsSpan(Scheme.Length).Trim(' ');
        if (key.Length is 0 or > MaxKeyLength)
            return false;
        Span<byte> bytes = stackalloc byte[MaxKeyLength];
        if (!Ascii.IsValid(key))
            return false;
        var length = Encoding.ASCII.GetBytes(key, bytes);
        SHA256.HashData(bytes[..length], hash);
        isAdminKey = key.StartsWith(AppKeys.AdminKeyPrefix, StringComparison.Ordinal);
        return true;
    }

    private bool IsAdmin(ReadOnlySpan<byte> hash) => CryptographicOperations.FixedTimeEquals(hash, _adminHash);

    private static bool Owns(AppRecord app, ReadOnlySpan<byte> hash)
    {
        var found = false;
        foreach (var key in app.ApiKeys)
            found |= CryptographicOperations.FixedTimeEquals(hash, key.Hash.Span);
        return found;
    }
}
