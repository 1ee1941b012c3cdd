using System.ComponentModel;
using System.Text.Json.Serialization;
using PushSystem.Center.Auth;
using PushSystem.Center.Multicasts;
using PushSystem.Contracts;

namespace PushSystem.Center.Endpoints;

// The answers of the API, as written and as the OpenAPI document describes them. Times are RFC 3339 in UTC.

internal sealed record TicketView(
    [property: Description("Given to the device, which presents it when it binds the user.")] string Ticket,
    DateTime ExpiresAt);

internal sealed record MessageStatusView(
    string Id, string User,
    [property: Description("pending, acked, expired, dropped, parked or cancelled.")] string State,
    DateTime? AcceptedAt, DateTime? ExpiresAt);

internal sealed record UserView(
    string User, bool Online, SessionView? Session,
    [property: Description("Absent when the user has never been seen.")] MailboxView? Mailbox);

internal sealed record SessionView(string Room, string Connection, string Device, string RemoteAddress, DateTime Since);

internal sealed record MailboxView(
    long Epoch, long Acked, long Top, int Pending, long PendingBytes, DateTime? OldestAt, DateTime? LastAckAt);

internal sealed record KickView(string User, bool Kicked);

internal sealed record BroadcastView
{
    [Description("Name of the task, such as b1-4.")]
    public required string Id { get; init; }
    [Description("queued, running, paused, done or cancelled.")]
    public required string State { get; init; }
    [Description("Persons per second; 0 = as fast as possible.")]
    public required int RatePerSecond { get; init; }
    public required DateTime AcceptedAt { get; init; }
    public required DateTime? ExpiresAt { get; init; }
    public DateTime? StartedAt { get; init; }
    public DateTime? FinishedAt { get; init; }
    [Description("Sessions that were online when it began.")]
    public required long Targeted { get; init; }
    [Description("Sessions that it was sent to.")]
    public required long Sent { get; init; }
    [Description("Users that acknowledged it, those who caught up later included.")]
    public required long Acked { get; init; }
    [Description("Known users that were offline when it began; they catch up until it expires.")]
    public required long Offline { get; init; }

    public static BroadcastView Of(BroadcastRecord record) => new()
    {
        Id = new StreamId(record.Epoch, record.Seq).Text(StreamId.Broadcast),
        State = TaskNames.Of(record.State),
        RatePerSecond = record.RatePerSecond,
        AcceptedAt = Times.At(record.AcceptedAt),
        ExpiresAt = Times.AtOrNull(record.ExpiresAt),
        StartedAt = Times.AtOrNull(record.StartedAt),
        FinishedAt = Times.AtOrNull(record.FinishedAt),
        Targeted = record.Targeted,
        Sent = record.Sent,
        Acked = record.Acked,
        Offline = record.Offline,
    };
}

internal sealed record BroadcastListView(
    IReadOnlyList<BroadcastView> Broadcasts,
    [property: Description("Goes into the parameter before for the next page; absent on the last.")] string? Next);

internal sealed record MulticastView
{
    [Description("Name of the task, such as t17.")]
    public required string Id { get; init; }
    [Description("queued, running, paused, done or cancelled.")]
    public required string State { get; init; }
    [Description("The level of its messages: stored or durable.")]
    public required string Level { get; init; }
    [Description("Persons per second, at most; 0 = as fast as possible.")]
    public required int RatePerSecond { get; init; }
    public required DateTime AcceptedAt { get; init; }
    public required DateTime? ExpiresAt { get; init; }
    public DateTime? StartedAt { get; init; }
    public DateTime? FinishedAt { get; init; }
    [Description("Users in the list, each counted once.")]
    public required long Targeted { get; init; }
    [Description("Users whose mailbox has the message.")]
    public required long Accepted { get; init; }
    [Description("Users whose mailbox refused it.")]
    public required long Refused { get; init; }
    [Description("Of the accepted, those who were online then.")]
    public required long Online { get; init; }

    public static MulticastView Of(MulticastRecord record) => new()
    {
        Id = MulticastId.Text(record.Id),
        State = TaskNames.Of(record.State),
        Level = LevelNames.Of(record.Level),
        RatePerSecond = record.RatePerSecond,
        AcceptedAt = Times.At(record.AcceptedAt),
        ExpiresAt = Times.AtOrNull(record.ExpiresAt),
        StartedAt = Times.AtOrNull(record.StartedAt),
        FinishedAt = Times.AtOrNull(record.FinishedAt),
        Targeted = record.Targeted,
        Accepted = record.Accepted,
        Refused = record.Refused,
        Online = record.Online,
    };
}

internal sealed record MulticastListView(
    IReadOnlyList<MulticastView> Multicasts,
    [property: Description("Goes into the parameter before for the next page; absent on the last.")] string? Next);

internal sealed record AppListView(IReadOnlyList<AppView> Apps);

internal sealed record AppView
{
    public required string Id { get; init; }
    public required string Name { get; init; }
    public required bool Enabled { get; init; }
    public required DateTime CreatedAt { get; init; }
    public WebhookView? Webhook { get; init; }
    public required LimitsView Limits { get; init; }
    public required IReadOnlyList<ApiKeyView> ApiKeys { get; init; }
    public required IReadOnlyList<TicketKeyView> TicketKeys { get; init; }
    [Description("Users online now; only in GET /v1/app.")]
    public long? Online { get; init; }
    [Description("Only in the answer that created it.")]
    public string? ApiKey { get; init; }
    [Description("Only in the answer that created it.")]
    public NewTicketKeyView? TicketKey { get; init; }
    [Description("Only in the answer that created it.")]
    public string? WebhookSecret { get; init; }

    public static AppView Of(AppRecord app) => new()
    {
        Id = app.Id,
        Name = app.Name,
        Enabled = app.Enabled,
        CreatedAt = Times.At(app.CreatedAt),
        Webhook = app.Webhook is { } webhook ? new WebhookView(webhook.Url, webhook.TypeUrls, webhook.Presence) : null,
        Limits = LimitsView.Of(app.Limits),
        ApiKeys = [.. app.ApiKeys.Select(key => new ApiKeyView(key.Id, Times.At(key.CreatedAt)))],
        TicketKeys = [.. app.TicketKeys.Select(key => new TicketKeyView(key.Id, Times.At(key.CreatedAt)))],
    };
}

internal sealed record WebhookView(string Url, IReadOnlyDictionary<string, string> TypeUrls, bool Presence);

internal sealed record LimitsView(
    int MailboxMessages, long MailboxBytes, long MailboxAgeSeconds, int PayloadBytes, int DeliveryAttempts, long EventCount, long EventBytes,
    int RequestsPerSecond)
{
    public static LimitsView Of(AppLimits limits) => new(
        limits.MailboxMessages, limits.MailboxBytes, (long)limits.MailboxAge.TotalSeconds, limits.PayloadBytes, limits.DeliveryAttempts,
        limits.EventCount, limits.EventBytes, limits.RequestsPerSecond);
}

internal sealed record ApiKeyView(string Id, DateTime CreatedAt);

internal sealed record TicketKeyView(uint Id, DateTime CreatedAt);

internal sealed record NewApiKeyView(string Id, [property: Description("Shown only here.")] string ApiKey);

internal sealed record NewTicketKeyView(uint Id, [property: Description("base64url; shown only here.")] string Secret)
{
    public static NewTicketKeyView Of(AppTicketKey key) => new(key.Id, AppKeys.TicketSecretText(key.Secret));
}

internal sealed record NewWebhookSecretView([property: Description("Shown only here.")] string WebhookSecret);

/// <summary>Unix milliseconds as times.</summary>
internal static class Times
{
    public static DateTime At(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds).UtcDateTime;

    public static DateTime? AtOrNull(long milliseconds) => milliseconds == 0 ? null : At(milliseconds);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(TicketView))]
[JsonSerializable(typeof(MessageStatusView))]
[JsonSerializable(typeof(UserView))]
[JsonSerializable(typeof(KickView))]
[JsonSerializable(typeof(BroadcastView))]
[JsonSerializable(typeof(BroadcastListView))]
[JsonSerializable(typeof(MulticastView))]
[JsonSerializable(typeof(MulticastListView))]
[JsonSerializable(typeof(AppView))]
[JsonSerializable(typeof(AppListView))]
[JsonSerializable(typeof(NewApiKeyView))]
[JsonSerializable(typeof(NewTicketKeyView))]
[JsonSerializable(typeof(NewWebhookSecretView))]
internal sealed partial class CenterJson : JsonSerializerContext;
