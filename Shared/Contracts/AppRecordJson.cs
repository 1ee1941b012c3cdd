using System.Text.Json;
using System.Text.Json.Serialization;

namespace PushSystem.Contracts;

/// <summary>The stored form of an <see cref="AppRecord"/>: JSON, so that a later version can add members. Pure.</summary>
public static partial class AppRecordJson
{
    public static byte[] Write(AppRecord app) => JsonSerializer.SerializeToUtf8Bytes(
        new Stored
        {
            Name = app.Name,
            Enabled = app.Enabled,
            CreatedAt = app.CreatedAt,
            ApiKeys = [.. app.ApiKeys.Select(key => new StoredApiKey(key.Id, key.Hash.ToArray(), key.CreatedAt))],
            TicketKeys = [.. app.TicketKeys.Select(key => new StoredTicketKey(key.Id, key.Secret.ToArray(), key.CreatedAt))],
            Webhook = app.Webhook is { } webhook
                ? new StoredWebhook(
                    webhook.Url, new Dictionary<string, string>(webhook.TypeUrls), [.. webhook.Secrets.Select(secret => secret.ToArray())],
                    webhook.Presence)
                : null,
            Limits = app.Limits,
        }, StoredContext.Default.Stored);

    public static AppRecord Read(string id, long revision, ReadOnlySpan<byte> json)
    {
        var stored = JsonSerializer.Deserialize(json, StoredContext.Default.Stored)
            ?? throw new InvalidDataException($"The stored record of app '{id}' is empty.");
        return new AppRecord
        {
            Id = id,
            Revision = revision,
            Name = stored.Name,
            Enabled = stored.Enabled,
            CreatedAt = stored.CreatedAt,
            ApiKeys = [.. stored.ApiKeys.Select(key => new ApiKey(key.Id, key.Hash, key.CreatedAt))],
            TicketKeys = [.. stored.TicketKeys.Select(key => new AppTicketKey(key.Id, key.Secret, key.CreatedAt))],
            Webhook = stored.Webhook is { } webhook
                ? new WebhookSettings(
                    webhook.Url, webhook.TypeUrls, [.. webhook.Secrets.Select(secret => (ReadOnlyMemory<byte>)secret)], webhook.Presence)
                : null,
            Limits = stored.Limits,
        };
    }

    internal sealed record Stored
    {
        public string Name { get; init; } = "";
        public bool Enabled { get; init; } = true;
        public long CreatedAt { get; init; }
        public StoredApiKey[] ApiKeys { get; init; } = [];
        public StoredTicketKey[] TicketKeys { get; init; } = [];
        public StoredWebhook? Webhook { get; init; }
        public AppLimits Limits { get; init; } = new();
    }

    internal sealed record StoredApiKey(string Id, byte[] Hash, long CreatedAt);

    internal sealed record StoredTicketKey(uint Id, byte[] Secret, long CreatedAt);

    internal sealed record StoredWebhook(string Url, Dictionary<string, string> TypeUrls, byte[][] Secrets, bool Presence);

    [JsonSerializable(typeof(Stored))]
    private sealed partial class StoredContext : JsonSerializerContext;
}
