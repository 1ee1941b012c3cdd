using System.Text;

namespace PushSystem.Client;

/// <summary>The rule that ids follow on the wire, checked before anything is sent. Thread-safe: static.</summary>
internal static class ClientText
{
    /// <summary>Throws <see cref="ArgumentException"/> naming the field and the limit.</summary>
    public static void Check(string value, int maxBytes, string name)
    {
        ArgumentNullException.ThrowIfNull(value, name);
        var bytes = Encoding.UTF8.GetByteCount(value);
        if (bytes < 1 || bytes > maxBytes)
            throw new ArgumentException($"{name} has {bytes} UTF-8 bytes; 1 to {maxBytes} are allowed", name);
        foreach (var c in value)
        {
            if (c < 0x20 || c == 0x7F)
                throw new ArgumentException($"{name} contains a control character", name);
        }
    }
}
