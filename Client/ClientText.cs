using System.Text;

namespace PushSystem.Client;

/// <summary>The rule that ids follow on the wire, checked before anything is sent. Thread-safe: static.</summary>
internal static class ClientText
{
    // Throws instead of replacing: an id must never turn into another id.
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Throws <see cref="ArgumentException"/> naming the field and the limit.</summary>
    public static void Check(string value, int maxBytes, string name)
    {
        ArgumentNullException.ThrowIfNull(value, name);
        int bytes;
        try
        {
            bytes = StrictUtf8.GetByteCount(value);
        }
        catch (EncoderFallbackException)
        {
            throw new ArgumentException($"{name} contains half of a surrogate pair", name);
        }
        if (bytes < 1 || bytes > maxBytes)
            throw new ArgumentException($"{name} has {bytes} UTF-8 bytes; 1 to {maxBytes} are allowed", name);
        foreach (var c in value)
        {
            if (char.IsControl(c))
                throw new ArgumentException($"{name} contains a control character", name);
        }
    }
}
