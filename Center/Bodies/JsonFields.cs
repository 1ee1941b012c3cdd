using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using PushSystem.Protocol;

namespace PushSystem.Center.Bodies;

/// <summary>
/// Reads members of a JSON object straight from the request's bytes. Every refusal is a problem that names the field and what is
/// allowed; malformed JSON throws <see cref="JsonException"/>. The reader stands on a member's name when a value is read.
/// </summary>
internal static class JsonFields
{
    /// <summary>Checks that the bytes are UTF-8 and begins to read the one object that they must hold.</summary>
    public static Utf8JsonReader Open(ReadOnlySpan<byte> body)
    {
        if (!Utf8.IsValid(body))
            throw Problems.NotUtf8(FirstInvalid(body));
        var reader = new Utf8JsonReader(body);
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Problems.Invalid("", "The body must be a JSON object.", "an object");
        return reader;
    }

    /// <summary>Moves to the next member's name; false at the object's end.</summary>
    public static bool Next(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.PropertyName)
            return false;
        // Comparing a name that is no valid text would throw as if that were our fault.
        if (reader.ValueIsEscaped)
            GetString(ref reader, FieldPath.Root, "?");
        return true;
    }

    /// <summary>Checks that nothing follows the object.</summary>
    public static void Close(ref Utf8JsonReader reader) => reader.Read();

    /// <summary>Notes that a member was seen; each has its own bit.</summary>
    public static void Once(ref int seen, int bit, FieldPath path, string name)
    {
        if ((seen & bit) != 0)
            throw Problems.Duplicate(path.Of(name));
        seen |= bit;
    }

    /// <summary>Refuses the member that the reader stands on.</summary>
    public static Exception Unknown(ref Utf8JsonReader reader, FieldPath path, string known)
    {
        var name = NameOf(ref reader);
        return Problems.Unknown(path.Of(name.Length > 100 ? name[..100] + "…" : name), known);
    }

    /// <summary>A user id: 1 to 64 bytes of UTF-8 without control characters.</summary>
    public static string User(ref Utf8JsonReader reader, FieldPath path, string name) =>
        Text(ref reader, path, name, 1, ProtocolLimits.MaxUserBytes);

    /// <summary>A string with so many bytes of UTF-8, without control characters.</summary>
    public static string Text(ref Utf8JsonReader reader, FieldPath path, string name, int minBytes, int maxBytes)
    {
        reader.Read();
        var limit = TextLimit(minBytes, maxBytes);
        if (reader.TokenType != JsonTokenType.String)
            throw Problems.Invalid(path.Of(name), $"{name} must be a string.", limit);
        // An escape makes at most six bytes of one; more can be refused unread.
        if (reader.ValueSpan.Length > maxBytes * 6)
            throw Problems.Invalid(path.Of(name), $"{name} is too long.", limit);
        var text = GetString(ref reader, path, name);
        return CheckText(text, minBytes, maxBytes) is { } fault ? throw Problems.Invalid(path.Of(name), $"{name} {fault}.", limit) : text;
    }

    /// <summary>Why a text is not allowed; null when it is.</summary>
    public static string? CheckText(string text, int minBytes, int maxBytes)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        if (length < minBytes || length > maxBytes)
            return length == 0 ? "is empty" : $"has {length} bytes of UTF-8";
        foreach (var c in text)
        {
            if (char.IsControl(c))
                return "contains a control character";
        }
        return null;
    }

    /// <summary>How <see cref="CheckText"/>'s bounds are told.</summary>
    public static string TextLimit(int minBytes, int maxBytes) => $"{minBytes} to {maxBytes} bytes of UTF-8 without control characters";

    /// <summary>A whole number within bounds.</summary>
    public static long Number(ref Utf8JsonReader reader, FieldPath path, string name, long min, long max)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var value))
            throw Problems.Invalid(path.Of(name), $"{name} must be a whole number.", $"{min} to {max}");
        return value >= min && value <= max ? value : throw Problems.Invalid(path.Of(name), $"{name} is {value}.", $"{min} to {max}");
    }

    /// <summary>true or false.</summary>
    public static bool Flag(ref Utf8JsonReader reader, FieldPath path, string name)
    {
        reader.Read();
        return reader.TokenType switch
        {
            JsonTokenType.True => true,
            JsonTokenType.False => false,
            _ => throw Problems.Invalid(path.Of(name), $"{name} must be true or false.", "true or false"),
        };
    }

    /// <summary>The name that the reader stands on.</summary>
    public static string NameOf(ref Utf8JsonReader reader) => reader.GetString()!;

    /// <summary>The string that the reader stands on; half a surrogate pair in an escape is refused.</summary>
    public static string GetString(ref Utf8JsonReader reader, FieldPath path, string name)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw BrokenEscape(path, name);
        }
    }

    /// <summary>The refusal of a text with half a character.</summary>
    public static Exception BrokenEscape(FieldPath path, string name) =>
        Problems.Invalid(path.Of(name), $"{name} contains an escape that is half of a character.", "valid Unicode");

    private static int FirstInvalid(ReadOnlySpan<byte> body)
    {
        var position = 0;
        while (position < body.Length && Rune.DecodeFromUtf8(body[position..], out _, out var consumed) == System.Buffers.OperationStatus.Done)
            position += consumed;
        return position;
    }
}
