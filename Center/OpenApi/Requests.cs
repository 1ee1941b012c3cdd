using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using PushSystem.Center.Bodies;
using PushSystem.Center.Multicasts;

namespace PushSystem.Center.OpenApi;

// What the parsers in Bodies/ accept, in a form that the OpenAPI document is made from. A test holds both to the same members.

/// <summary>A body with a payload: exactly one of text, json and base64.</summary>
internal abstract class PayloadRequest
{
    [Description("The payload as text. Exactly one of text, json and base64.")]
    public string? Text { get; init; }

    [Description("The payload as JSON, passed on as it is written here. Exactly one of text, json and base64.")]
    public object? Json { get; init; }

    [Description("The payload as bytes. Exactly one of text, json and base64.")]
    public string? Base64 { get; init; }
}

internal class BatchMessageRequest : PayloadRequest
{
    [Required, MinLength(1), MaxLength(64), Description("The recipient: 1 to 64 bytes of UTF-8 without control characters.")]
    public string User { get; init; } = "";

    [Range(1, 2_592_000), Description("How long the message waits, seconds; up to the app's mailboxAgeSeconds, which is the default.")]
    public int? TtlSeconds { get; init; }
}

internal sealed class MessageRequest : BatchMessageRequest
{
    [AllowedValues("transient", "stored", "durable"), Description("What accepted means; default durable unless the deployment says otherwise.")]
    public string? Level { get; init; }
}

internal sealed class BatchRequest
{
    [AllowedValues("transient", "stored", "durable"), Description("What accepted means, for all messages; default durable unless the deployment says otherwise.")]
    public string? Level { get; init; }

    [Required, MinLength(1), MaxLength(MessageParser.MaxBatch)]
    public IReadOnlyList<BatchMessageRequest> Messages { get; init; } = [];
}

internal sealed class TicketRequest
{
    [Required, MinLength(1), MaxLength(64), Description("1 to 64 bytes of UTF-8 without control characters.")]
    public string User { get; init; } = "";

    [Range(TicketParser.MinSeconds, TicketParser.MaxSeconds), DefaultValue(TicketParser.DefaultSeconds)]
    public int? TtlSeconds { get; init; }
}

internal sealed class BroadcastRequest : PayloadRequest
{
    [Range(1, 2_592_000), Description("How long users can catch up, seconds; up to the app's mailboxAgeSeconds, which is the default.")]
    public int? TtlSeconds { get; init; }

    [Range(0, BroadcastParser.MaxRate), DefaultValue(0), Description("Persons per second; 0 = as fast as possible.")]
    public int? RatePerSecond { get; init; }
}

internal sealed class MulticastRequest : PayloadRequest
{
    [AllowedValues("stored", "durable"), Description("What accepted means for its messages; default durable unless the deployment says otherwise.")]
    public string? Level { get; init; }

    [Range(1, 2_592_000), Description("How long the messages wait, seconds; up to the app's mailboxAgeSeconds, which is the default.")]
    public int? TtlSeconds { get; init; }

    [Range(0, BroadcastParser.MaxRate), DefaultValue(0), Description("Persons per second, at most; 0 = as fast as possible.")]
    public int? RatePerSecond { get; init; }

    [Required, MinLength(1), MaxLength(MulticastUsers.MaxUsers), Description("The recipients, each 1 to 64 bytes of UTF-8 without control characters.")]
    public IReadOnlyList<string> Users { get; init; } = [];
}

internal sealed class RateRequest
{
    [Required, Range(0, BroadcastParser.MaxRate), Description("Persons per second; 0 = as fast as possible.")]
    public int RatePerSecond { get; init; }
}

internal class AppChangeBase
{
    [MaxLength(AppParser.MaxNameBytes), Description("For people.")]
    public string? Name { get; init; }

    [Description("Where upstream messages and presence go. In a change, the whole webhook is replaced but its secrets stay; null removes it.")]
    public WebhookRequest? Webhook { get; init; }

    [Description("Bounds; those not named keep their value.")]
    public LimitsRequest? Limits { get; init; }
}

internal sealed class NewAppRequest : AppChangeBase
{
    [Required, RegularExpression("^[a-z0-9][a-z0-9._-]{0,63}$")]
    public string Id { get; init; } = "";
}

internal sealed class AppChangeRequest : AppChangeBase
{
    [Description("A disabled app is refused everywhere; its data stays.")]
    public bool? Enabled { get; init; }
}

internal sealed class WebhookRequest
{
    [Required, MaxLength(AppParser.MaxUrlLength), Description("An absolute http or https URL.")]
    public string Url { get; init; } = "";

    [Description("Other URLs for single types of upstream messages; at most 100.")]
    public IReadOnlyDictionary<string, string>? TypeUrls { get; init; }

    [Description("Whether presence.online and presence.offline are sent.")]
    public bool? Presence { get; init; }
}

internal sealed class LimitsRequest
{
    [Range(1, 100_000), Description("Most messages waiting for one user.")]
    public int? MailboxMessages { get; init; }

    [Range(1_024, 1_073_741_824), Description("Most payload bytes waiting for one user.")]
    public long? MailboxBytes { get; init; }

    [Range(1, 2_592_000), Description("Longest time that a message waits, seconds.")]
    public long? MailboxAgeSeconds { get; init; }

    [Range(1, 65_536), Description("Longest payload, bytes.")]
    public int? PayloadBytes { get; init; }

    [Range(1, 1_000), Description("Deliveries of a head message without an ACK before it is set aside.")]
    public int? DeliveryAttempts { get; init; }

    [Range(1, 10_000_000), Description("Most webhook events that wait.")]
    public long? EventCount { get; init; }

    [Range(1_024, 10_737_418_240), Description("Most bytes of webhook events that wait.")]
    public long? EventBytes { get; init; }

    [Range(0, 1_000_000), Description("API requests per second; 0 = unlimited.")]
    public int? RequestsPerSecond { get; init; }
}

/// <summary>Bodies that must say nothing: absent, or an empty object.</summary>
internal sealed class NothingRequest;
