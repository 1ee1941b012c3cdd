using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Auth;

/// <summary>
/// Makes the secrets of apps and the admin key. Each has 32 random bytes; of API and admin keys only <see cref="Hash"/> is kept.
/// Thread-safe: static.
/// </summary>
public static class AppKeys
{
    /// <summary>Most API keys of an app.</summary>
    public const int MaxApiKeys = 16;
    /// <summary>Most ticket keys of an app.</summary>
    public const int MaxTicketKeys = 2;
    /// <summary>Most webhook secrets of an app.</summary>
    public const int MaxWebhookSecrets = 2;
    /// <summary>What an app's API key begins with; the app's id and '_' follow.</summary>
    public const string ApiKeyPrefix = "pk_";
    /// <summary>What an admin key begins with.</summary>
    public const string AdminKeyPrefix = "pa_";

    private const int SecretSize = 32;
    private const string WebhookPrefix = "whsec_";

    /// <summary>A new API key: what is kept, and the text that is shown once. Time in Unix milliseconds.</summary>
    public static (ApiKey Key, string Text) NewApiKey(string app, long now)
    {
        var text = $"{ApiKeyPrefix}{app}_{RandomText()}";
        var id = "k" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(6));
        return (new ApiKey(id, Hash(text), now), text);
    }

    /// <summary>A new admin key's text.</summary>
    public static string NewAdminKey() => AdminKeyPrefix + RandomText();

    /// <summary>A new ticket key; its id is random and not one of <paramref name="existing"/>. Time in Unix milliseconds.</summary>
    public static AppTicketKey NewTicketKey(IReadOnlyList<AppTicketKey> existing, long now)
    {
        uint id;
        do
            id = (uint)RandomNumberGenerator.GetInt32(1, int.MaxValue);
        while (existing.Any(key => key.Id == id));
        return new AppTicketKey(id, RandomNumberGenerator.GetBytes(TicketKey.SecretSize), now);
    }

    /// <summary>A new webhook secret.</summary>
    public static ReadOnlyMemory<byte> NewWebhookSecret() => RandomNumberGenerator.GetBytes(SecretSize);

    /// <summary>A webhook secret's text form: "whsec_" and base64.</summary>
    public static string WebhookSecretText(ReadOnlyMemory<byte> secret) => WebhookPrefix + Convert.ToBase64String(secret.Span);

    /// <summary>A ticket secret's text form: base64url.</summary>
    public static string TicketSecretText(ReadOnlyMemory<byte> secret) => Base64Url.EncodeToString(secret.Span);

    /// <summary>SHA-256 of a key's whole text.</summary>
    public static byte[] Hash(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private static string RandomText() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretSize));
}
