using System.Text.Json;
using PushSystem.Center.Auth;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Center.Bodies;

/// <summary>Reads the bodies that create and change apps. Pure but for the random webhook secret of a first webhook.</summary>
internal static class AppParser
{
    public const int MaxIdLength = 64, MaxNameBytes = 128, MaxUrlLength = 2_048, MaxTypeUrls = 100;

    private const string IdLimit = "1 to 64 characters a-z, 0-9, '-', '_', '.', beginning with a letter or digit";
    private const int SeenId = 1, SeenName = 2, SeenEnabled = 4, SeenWebhook = 8, SeenLimits = 16;
    private const int SeenUrl = 1, SeenTypeUrls = 2, SeenPresence = 4;

    /// <summary>A new app, without keys.</summary>
    public static AppRecord ReadNew(ReadOnlySpan<byte> body, long now) =>
        Read(body, new AppRecord { Id = "", CreatedAt = now }, isNew: true, "id, name, webhook, limits");

    /// <summary>The app as the body changes it; what is not named stays.</summary>
    public static AppRecord ReadChange(ReadOnlySpan<byte> body, AppRecord app) => Read(body, app, isNew: false, "name, enabled, webhook, limits");

    /// <summary>Whether a text may be an app's id.</summary>
    public static bool IsId(string id) =>
        id.Length is > 0 and <= MaxIdLength && id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_' or '.')
        && char.IsAsciiLetterOrDigit(id[0]);

    private static AppRecord Read(ReadOnlySpan<byte> body, AppRecord app, bool isNew, string known)
    {
        var reader = JsonFields.Open(body);
        var seen = 0;
        while (JsonFields.Next(ref reader))
        {
            if (isNew && reader.ValueTextEquals("id"u8))
            {
                JsonFields.Once(ref seen, SeenId, FieldPath.Root, "id");
                app = app with { Id = ReadId(ref reader) };
            }
            else if (reader.ValueTextEquals("name"u8))
            {
                JsonFields.Once(ref seen, SeenName, FieldPath.Root, "name");
                app = app with { Name = JsonFields.Text(ref reader, FieldPath.Root, "name", 0, MaxNameBytes) };
            }
            else if (!isNew && reader.ValueTextEquals("enabled"u8))
            {
                JsonFields.Once(ref seen, SeenEnabled, FieldPath.Root, "enabled");
                app = app with { Enabled = JsonFields.Flag(ref reader, FieldPath.Root, "enabled") };
            }
            else if (reader.ValueTextEquals("webhook"u8))
            {
                JsonFields.Once(ref seen, SeenWebhook, FieldPath.Root, "webhook");
                app = app with { Webhook = ReadWebhook(ref reader, app.Webhook) };
            }
            else if (reader.ValueTextEquals("limits"u8))
            {
                JsonFields.Once(ref seen, SeenLimits, FieldPath.Root, "limits");
                app = app with { Limits = ReadLimits(ref reader, app.Limits) };
            }
            else
            {
                throw JsonFields.Unknown(ref reader, FieldPath.Root, known);
            }
        }
        JsonFields.Close(ref reader);
        return app.Id.Length > 0 ? app : throw Problems.Missing("id", "The id is missing.");
    }

    private static string ReadId(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String && reader.ValueSpan.Length <= MaxIdLength * 6
            && JsonFields.GetString(ref reader, FieldPath.Root, "id") is var id && IsId(id))
            return id;
        throw Problems.Invalid("id", "id is not allowed.", IdLimit);
    }

    private static WebhookSettings? ReadWebhook(ref Utf8JsonReader reader, WebhookSettings? current)
    {
        var path = new FieldPath("webhook");
        reader.Read();
        if (reader.TokenType == JsonTokenType.Null)
            return null;
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Problems.Invalid("webhook", "webhook must be an object or null.", "an object or null");
        var seen = 0;
        string? url = null;
        Dictionary<string, string> typeUrls = new(StringComparer.Ordinal);
        var presence = false;
        while (JsonFields.Next(ref reader))
        {
            if (reader.ValueTextEquals("url"u8))
            {
                JsonFields.Once(ref seen, SeenUrl, path, "url");
                url = ReadUrl(ref reader, path, "url");
            }
            else if (reader.ValueTextEquals("typeUrls"u8))
            {
                JsonFields.Once(ref seen, SeenTypeUrls, path, "typeUrls");
                ReadTypeUrls(ref reader, typeUrls);
            }
            else if (reader.ValueTextEquals("presence"u8))
            {
                JsonFields.Once(ref seen, SeenPresence, path, "presence");
                presence = JsonFields.Flag(ref reader, path, "presence");
            }
            else
            {
                throw JsonFields.Unknown(ref reader, path, "url, typeUrls, presence");
            }
        }
        if (url is null)
            throw Problems.Missing("webhook.url", "The webhook's url is missing.");
        return new WebhookSettings(url, typeUrls, current?.Secrets ?? [AppKeys.NewWebhookSecret()], presence);
    }

    private static void ReadTypeUrls(ref Utf8JsonReader reader, Dictionary<string, string> typeUrls)
    {
        var path = new FieldPath("webhook.typeUrls");
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Problems.Invalid(path.Self, "typeUrls must be an object.", "an object of type: url");
        while (JsonFields.Next(ref reader))
        {
            var type = JsonFields.NameOf(ref reader);
            if (JsonFields.CheckText(type, 1, ProtocolLimits.MaxSendTypeBytes) is { } fault)
                throw Problems.Invalid(path.Self, $"A type {fault}.", JsonFields.TextLimit(1, ProtocolLimits.MaxSendTypeBytes));
            if (typeUrls.Count == MaxTypeUrls)
                throw Problems.Invalid(path.Self, "There are too many types.", $"at most {MaxTypeUrls}");
            if (!typeUrls.TryAdd(type, ReadUrl(ref reader, path, type)))
                throw Problems.Duplicate(path.Of(type));
        }
    }

    private static string ReadUrl(ref Utf8JsonReader reader, FieldPath path, string name)
    {
        var text = JsonFields.Text(ref reader, path, name, 1, MaxUrlLength);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps)
            || uri.Host.Length == 0 || uri.UserInfo.Length > 0 || uri.Fragment.Length > 0)
        {
            throw Problems.Invalid(path.Of(name), "The URL is not allowed.",
                $"an absolute http or https URL without user and fragment, at most {MaxUrlLength} bytes");
        }
        return text;
    }

    private static AppLimits ReadLimits(ref Utf8JsonReader reader, AppLimits limits)
    {
        var path = new FieldPath("limits");
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Problems.Invalid("limits", "limits must be an object.", "an object");
        var seen = 0;
        while (JsonFields.Next(ref reader))
        {
            var name = JsonFields.NameOf(ref reader);
            var bound = Array.FindIndex(LimitBound.All, candidate => candidate.Name == name);
            if (bound < 0)
                throw JsonFields.Unknown(ref reader, path, string.Join(", ", LimitBound.All.Select(known => known.Name)));
            JsonFields.Once(ref seen, 1 << bound, path, name);
            var (_, min, max, apply) = LimitBound.All[bound];
            limits = apply(limits, JsonFields.Number(ref reader, path, name, min, max));
        }
        return limits;
    }

    private sealed record LimitBound(string Name, long Min, long Max, Func<AppLimits, long, AppLimits> Apply)
    {
        public static readonly LimitBound[] All =
        [
            new("mailboxMessages", 1, 100_000, (limits, value) => limits with { MailboxMessages = (int)value }),
            new("mailboxBytes", 1_024, 1L << 30, (limits, value) => limits with { MailboxBytes = value }),
            new("mailboxAgeSeconds", 1, 2_592_000, (limits, value) => limits with { MailboxAge = TimeSpan.FromSeconds(value) }),
            new("payloadBytes", 1, ProtocolLimits.DefaultMaxPayload, (limits, value) => limits with { PayloadBytes = (int)value }),
            new("deliveryAttempts", 1, 1_000, (limits, value) => limits with { DeliveryAttempts = (int)value }),
            new("eventCount", 1, 10_000_000, (limits, value) => limits with { EventCount = value }),
            new("eventBytes", 1_024, 10L << 30, (limits, value) => limits with { EventBytes = value }),
            new("requestsPerSecond", 0, 1_000_000, (limits, value) => limits with { RequestsPerSecond = (int)value }),
        ];
    }
}
