using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Unicode;

namespace PushSystem.Protocol;

/// <summary>
/// The proof that the business lets a user of its app bind. Bytes, in this order:
/// <code>
/// 0      version, 1
/// 1..4   key id, big endian
/// 5..12  expiry, Unix seconds, big endian
/// 13..20 nonce, random
/// 21     length of app id (1..64)
/// 22     length of user id (1..64)
/// 23..   app id, user id, UTF-8
/// last 32 HMAC-SHA256 of everything before it, with the key's secret
/// </code>
/// The text form is base64url without padding, white space or loose bits: one text for one ticket. Thread-safe: static.
/// </summary>
public static class Ticket
{
    /// <summary>The layout's version.</summary>
    public const byte Version = 1;
    /// <summary>Bytes in front of the ids.</summary>
    public const int FixedSize = 23;
    /// <summary>Bytes of the HMAC.</summary>
    public const int MacSize = HMACSHA256.HashSizeInBytes;
    private const int KeyIdOffset = 1, ExpiryOffset = 5, NonceOffset = 13, NonceSize = 8, AppLengthOffset = 21, UserLengthOffset = 22;

    /// <summary>
    /// Issues a ticket. Throws <see cref="ArgumentException"/> when an id is empty, longer than 64 UTF-8 bytes, has a control
    /// character or half a surrogate pair, or when the key has no secret.
    /// </summary>
    public static byte[] Issue(TicketKey key, string app, string user, DateTimeOffset expiresAt)
    {
        Span<byte> nonce = stackalloc byte[NonceSize];
        RandomNumberGenerator.Fill(nonce);
        return Issue(key, app, user, expiresAt, nonce);
    }

    /// <summary>The same with a given nonce of 8 bytes, so that the layout can be compared with fixed bytes.</summary>
    internal static byte[] Issue(TicketKey key, string app, string user, DateTimeOffset expiresAt, ReadOnlySpan<byte> nonce)
    {
        if (key.Secret.IsEmpty)
            throw new ArgumentException("the ticket key has no secret", nameof(key));
        var appLength = CheckedLength(app, ProtocolLimits.MaxAppBytes, nameof(app));
        var userLength = CheckedLength(user, ProtocolLimits.MaxUserBytes, nameof(user));
        var ticket = new byte[FixedSize + appLength + userLength + MacSize];
        ticket[0] = Version;
        BinaryPrimitives.WriteUInt32BigEndian(ticket.AsSpan(KeyIdOffset), key.Id);
        BinaryPrimitives.WriteInt64BigEndian(ticket.AsSpan(ExpiryOffset), expiresAt.ToUnixTimeSeconds());
        nonce.CopyTo(ticket.AsSpan(NonceOffset, NonceSize));
        ticket[AppLengthOffset] = (byte)appLength;
        ticket[UserLengthOffset] = (byte)userLength;
        BodyWriter.StrictUtf8.GetBytes(app, ticket.AsSpan(FixedSize));
        BodyWriter.StrictUtf8.GetBytes(user, ticket.AsSpan(FixedSize + appLength));
        HMACSHA256.HashData(key.Secret.Span, ticket.AsSpan(0, ticket.Length - MacSize), ticket.AsSpan(ticket.Length - MacSize));
        return ticket;
    }

    /// <summary>Issues a ticket in its text form.</summary>
    public static string IssueText(TicketKey key, string app, string user, DateTimeOffset expiresAt) =>
        Base64Url.EncodeToString(Issue(key, app, user, expiresAt));

    /// <summary>Reads the text form; false when it is not exactly what <see cref="IssueText"/> would write, or too long.</summary>
    public static bool TryParseText(string text, out byte[] ticket)
    {
        ticket = [];
        if (text.Length > Base64Url.GetEncodedLength(ProtocolLimits.MaxTicketBytes))
            return false;
        Span<byte> bytes = stackalloc byte[ProtocolLimits.MaxTicketBytes];
        if (Base64Url.DecodeFromChars(text, bytes, out _, out var written) != OperationStatus.Done)
            return false;
        // The decoder overlooks padding and white space; a ticket must not have several texts.
        Span<char> again = stackalloc char[Base64Url.GetEncodedLength(written)];
        Base64Url.EncodeToChars(bytes[..written], again);
        if (!again.SequenceEqual(text))
            return false;
        ticket = bytes[..written].ToArray();
        return true;
    }

    /// <summary>
    /// Checks a ticket for (app, user) against the app's active keys. The MAC is compared in constant time and before any
    /// other content is believed. Returns <see cref="ReasonCode.Ok"/> or the reason of refusal; never throws.
    /// </summary>
    public static ReasonCode Verify(
        ReadOnlySpan<byte> ticket, ReadOnlySpan<TicketKey> keys, string app, string user, DateTimeOffset now)
    {
        if (ticket.Length < FixedSize + 2 + MacSize || ticket.Length > ProtocolLimits.MaxTicketBytes || ticket[0] != Version)
            return ReasonCode.TicketInvalid;
        int appLength = ticket[AppLengthOffset], userLength = ticket[UserLengthOffset];
        if (appLength is 0 or > ProtocolLimits.MaxAppBytes || userLength is 0 or > ProtocolLimits.MaxUserBytes
            || ticket.Length != FixedSize + appLength + userLength + MacSize)
            return ReasonCode.TicketInvalid;
        var keyId = BinaryPrimitives.ReadUInt32BigEndian(ticket[KeyIdOffset..]);
        var signed = ticket[..^MacSize];
        Span<byte> mac = stackalloc byte[MacSize];
        var found = false;
        foreach (var key in keys)
        {
            // An empty secret, such as that of a key never set, is known to everybody.
            if (key.Id != keyId || key.Secret.IsEmpty)
                continue;
            HMACSHA256.HashData(key.Secret.Span, signed, mac);
            found = true;
            break;
        }
        if (!found)
            return ReasonCode.TicketKeyUnknown;
        if (!CryptographicOperations.FixedTimeEquals(mac, ticket[^MacSize..]))
            return ReasonCode.TicketInvalid;
        if (!Matches(ticket.Slice(FixedSize, appLength), app) || !Matches(ticket.Slice(FixedSize + appLength, userLength), user))
            return ReasonCode.TicketMismatch;
        return BinaryPrimitives.ReadInt64BigEndian(ticket[ExpiryOffset..]) <= now.ToUnixTimeSeconds()
            ? ReasonCode.TicketExpired
            : ReasonCode.Ok;
    }

    private static bool Matches(ReadOnlySpan<byte> bytes, string text)
    {
        Span<byte> expected = stackalloc byte[ProtocolLimits.MaxAppBytes];
        return Utf8.FromUtf16(text, expected, out _, out var written, replaceInvalidSequences: false) == OperationStatus.Done
            && bytes.SequenceEqual(expected[..written]);
    }

    private static int CheckedLength(string id, int max, string name)
    {
        var length = BodyWriter.StrictUtf8.GetByteCount(id);
        if (length == 0 || length > max)
            throw new ArgumentException($"{name} has {length} UTF-8 bytes; 1 to {max} are allowed", name);
        foreach (var c in id)
        {
            if (char.IsControl(c))
                throw new ArgumentException($"{name} contains a control character", name);
        }
        return length;
    }
}

/// <summary>One signing key of an app. Two may be active at once, so that they can be rotated.</summary>
public readonly record struct TicketKey(uint Id, ReadOnlyMemory<byte> Secret)
{
    /// <summary>Bytes of a secret that the gateway makes.</summary>
    public const int SecretSize = 32;
}
