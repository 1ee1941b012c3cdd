using System.Text.Json;
using PushSystem.Contracts;

namespace PushSystem.Center.Bodies;

/// <summary>What a body asks to send; Level null = the default.</summary>
internal readonly record struct ParsedMessages(Durability? Level, IReadOnlyList<MessageDraft> Messages);

/// <summary>Reads the bodies of POST /v1/messages and /v1/messages/batch. Pure; all or nothing.</summary>
internal static class MessageParser
{
    /// <summary>Most messages of a batch.</summary>
    public const int MaxBatch = 1_000;

    private const string SingleMembers = $"user, {PayloadFields.Names}, level, ttlSeconds";
    private const string BatchMembers = "level, messages";
    private const string ItemMembers = $"user, {PayloadFields.Names}, ttlSeconds";

    private const int SeenUser = 1, SeenLevel = 2, SeenTtl = 4, SeenMessages = 8;

    public static ParsedMessages ReadOne(ReadOnlySpan<byte> body, AppLimits limits)
    {
        var reader = JsonFields.Open(body);
        Durability? level = null;
        var message = ReadMessage(ref reader, body, FieldPath.Root, limits, isSingle: true, ref level);
        JsonFields.Close(ref reader);
        return new ParsedMessages(level, [message]);
    }

    public static ParsedMessages ReadBatch(ReadOnlySpan<byte> body, AppLimits limits)
    {
        var reader = JsonFields.Open(body);
        var seen = 0;
        Durability? level = null;
        List<MessageDraft>? messages = null;
        while (JsonFields.Next(ref reader))
        {
            if (reader.ValueTextEquals("messages"u8))
            {
                JsonFields.Once(ref seen, SeenMessages, FieldPath.Root, "messages");
                messages = ReadItems(ref reader, body, limits);
            }
            else if (reader.ValueTextEquals("level"u8))
            {
                JsonFields.Once(ref seen, SeenLevel, FieldPath.Root, "level");
                level = ReadLevel(ref reader);
            }
            else
            {
                throw JsonFields.Unknown(ref reader, FieldPath.Root, BatchMembers);
            }
        }
        JsonFields.Close(ref reader);
        return messages switch
        {
            null => throw Problems.Missing("messages", "The messages are missing."),
            { Count: 0 } => throw Problems.Invalid("messages", "messages is empty.", $"1 to {MaxBatch} messages"),
            _ => new ParsedMessages(level, messages),
        };
    }

    /// <summary>A time to live in whole seconds, up to the app's longest.</summary>
    public static TimeSpan ReadTimeToLive(ref Utf8JsonReader reader, FieldPath path, AppLimits limits) =>
        TimeSpan.FromSeconds(JsonFields.Number(ref reader, path, "ttlSeconds", 1, Math.Max(1, (long)limits.MailboxAge.TotalSeconds)));

    private static List<MessageDraft> ReadItems(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, AppLimits limits)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Problems.Invalid("messages", "messages must be an array.", $"1 to {MaxBatch} messages");
        var messages = new List<MessageDraft>();
        Durability? none = null;
        while (true)
        {
            reader.Read();
            if (reader.TokenType == JsonTokenType.EndArray)
                return messages;
            if (messages.Count == MaxBatch)
                throw Problems.Invalid("messages", "There are too many messages.", $"1 to {MaxBatch} messages");
            var path = new FieldPath("messages", messages.Count);
            if (reader.TokenType != JsonTokenType.StartObject)
                throw Problems.Invalid(path.Self, "A message must be an object.", "an object");
            messages.Add(ReadMessage(ref reader, body, path, limits, isSingle: false, ref none));
        }
    }

    private static MessageDraft ReadMessage(
        ref Utf8JsonReader reader, ReadOnlySpan<byte> body, FieldPath path, AppLimits limits, bool isSingle, ref Durability? level)
    {
        var seen = 0;
        string? user = null;
        TimeSpan? timeToLive = null;
        var payload = new PayloadFields();
        while (JsonFields.Next(ref reader))
        {
            if (reader.ValueTextEquals("user"u8))
            {
                JsonFields.Once(ref seen, SeenUser, path, "user");
                user = JsonFields.User(ref reader, path, "user");
            }
            else if (payload.TryRead(ref reader, body, path, limits.PayloadBytes))
            {
            }
            else if (reader.ValueTextEquals("ttlSeconds"u8))
            {
                JsonFields.Once(ref seen, SeenTtl, path, "ttlSeconds");
                timeToLive = ReadTimeToLive(ref reader, path, limits);
            }
            else if (isSingle && reader.ValueTextEquals("level"u8))
            {
                JsonFields.Once(ref seen, SeenLevel, path, "level");
                level = ReadLevel(ref reader);
            }
            else
            {
                throw JsonFields.Unknown(ref reader, path, isSingle ? SingleMembers : ItemMembers);
            }
        }
        if (user is null)
            throw Problems.Missing(path.Of("user"), "The user is missing.");
        payload.Require(path);
        return new MessageDraft(user, payload.Kind, payload.Payload, timeToLive);
    }

    /// <summary>The level that the member names.</summary>
    public static Durability ReadLevel(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
        {
            if (reader.ValueTextEquals("durable"u8))
                return Durability.Durable;
            if (reader.ValueTextEquals("stored"u8))
                return Durability.Stored;
            if (reader.ValueTextEquals("transient"u8))
                return Durability.Transient;
        }
        throw Problems.Invalid("level", "level is not known.", LevelNames.All);
    }
}
