using System.Text;
using PushSystem.Contracts;
using PushSystem.Protocol;

namespace PushSystem.Saver.Sql;

/// <summary>Checks of texts before they are queued for storing. Pure.</summary>
internal static class StoredText
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Bytes of UTF-8; throws <see cref="ArgumentException"/> naming the field when it is not valid text.</summary>
    public static int ByteCount(string text, string field)
    {
        ArgumentNullException.ThrowIfNull(text, field);
        try
        {
            return Strict.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            throw new ArgumentException($"{field}: not a valid Unicode text");
        }
    }

    public static void CheckUser(string user)
    {
        var bytes = ByteCount(user, "user");
        if (bytes is 0 or > ProtocolLimits.MaxUserBytes)
            throw new ArgumentException($"user: {bytes} bytes, allowed are 1 to {ProtocolLimits.MaxUserBytes}");
    }

    /// <summary>The time to live in milliseconds, bounded by the app; throws when it is not positive.</summary>
    public static long TimeToLive(TimeSpan? wanted, AppLimits limits)
    {
        var most = (long)limits.MailboxAge.TotalMilliseconds;
        if (wanted is not { } value)
            return most;
        if (value < TimeSpan.FromMilliseconds(1))
            throw new ArgumentException($"timeToLive: {value} must be at least 1 ms");
        return Math.Min((long)value.TotalMilliseconds, most);
    }

    /// <summary>A copy of the payload, checked against the app's limit.</summary>
    public static byte[] Payload(ReadOnlyMemory<byte> payload, AppLimits limits)
    {
        if (payload.Length > limits.PayloadBytes)
            throw new ArgumentException($"payload: {payload.Length} bytes, the app's limit payloadBytes is {limits.PayloadBytes}");
        return payload.ToArray();
    }
}
