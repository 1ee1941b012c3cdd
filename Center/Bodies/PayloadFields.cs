using System.Buffers;
using System.Text.Json;
using PushSystem.Protocol;

namespace PushSystem.Center.Bodies;

/// <summary>The payload among an object's members: exactly one of text, json and base64. The bytes are a copy of their own.</summary>
internal struct PayloadFields
{
    public const string Names = "text, json, base64";

    private string? _member;

    public PayloadKind Kind { get; private set; }

    public byte[] Payload { get; private set; }

    /// <summary>Reads the member that the reader stands on if it is one of the three. The reader was made over <paramref name="body"/>.</summary>
    public bool TryRead(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, FieldPath path, int limit)
    {
        if (reader.ValueTextEquals("text"u8))
        {
            Begin(path, "text", PayloadKind.Text);
            reader.Read();
            Payload = ReadText(ref reader, path, limit);
        }
        else if (reader.ValueTextEquals("json"u8))
        {
            Begin(path, "json", PayloadKind.Json);
            Payload = ReadJson(ref reader, body, path, limit);
        }
        else if (reader.ValueTextEquals("base64"u8))
        {
            Begin(path, "base64", PayloadKind.Binary);
            reader.Read();
            Payload = ReadBase64(ref reader, path, limit);
        }
        else
        {
            return false;
        }
        return true;
    }

    /// <summary>Throws when none was there.</summary>
    public readonly void Require(FieldPath path)
    {
        if (_member is null)
            throw Problems.Missing(path.Of("text"), "The payload is missing: exactly one of text, json and base64 is needed.");
    }

    private void Begin(FieldPath path, string member, PayloadKind kind)
    {
        if (_member == member)
            throw Problems.Duplicate(path.Of(member));
        if (_member is not null)
            throw Problems.Invalid(path.Of(member), $"The payload is given as {_member} already.", "exactly one of text, json and base64");
        _member = member;
        Kind = kind;
    }

    private static byte[] ReadText(ref Utf8JsonReader reader, FieldPath path, int limit)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw Problems.Invalid(path.Of("text"), "text must be a string.", "a string");
        if (!reader.ValueIsEscaped)
        {
            CheckLength(path, "text", reader.ValueSpan.Length, limit);
            return reader.ValueSpan.ToArray();
        }
        var rented = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
        try
        {
            var length = reader.CopyString(rented);
            CheckLength(path, "text", length, limit);
            return rented.AsSpan(0, length).ToArray();
        }
        catch (InvalidOperationException)
        {
            throw JsonFields.BrokenEscape(path, "text");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    // The value's bytes as they were sent: the gateway never rewrites a payload.
    private static byte[] ReadJson(ref Utf8JsonReader reader, ReadOnlySpan<byte> body, FieldPath path, int limit)
    {
        reader.Read();
        var start = reader.TokenStartIndex;
        reader.Skip();
        var length = reader.BytesConsumed - start;
        CheckLength(path, "json", length, limit);
        return body.Slice((int)start, (int)length).ToArray();
    }

    private static byte[] ReadBase64(ref Utf8JsonReader reader, FieldPath path, int limit)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw Problems.Invalid(path.Of("base64"), "base64 must be a string.", "a string");
        if (!reader.TryGetBytesFromBase64(out var bytes))
            throw Problems.Invalid(path.Of("base64"), "base64 is not valid.", "base64 with padding, alphabet A-Z a-z 0-9 + /");
        CheckLength(path, "base64", bytes.Length, limit);
        return bytes;
    }

    private static void CheckLength(FieldPath path, string member, long length, int limit)
    {
        if (length > limit)
            throw Problems.PayloadTooLarge(path.Of(member), length, limit);
    }
}
