using System.Globalization;
using System.Text;

namespace PushSystem.Protocol.Tests.Vectors;

/// <summary>The notation of docs/protocol-vectors.md: "01 0a ff", and "61*128" for one byte repeated.</summary>
internal static class Hex
{
    public static byte[] Parse(string text)
    {
        var bytes = new List<byte>();
        foreach (var token in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var star = token.IndexOf('*', StringComparison.Ordinal);
            if (star < 0)
                bytes.AddRange(Convert.FromHexString(token));
            else
                bytes.AddRange(Enumerable.Repeat(
                    Convert.FromHexString(token[..star]).Single(), int.Parse(token[(star + 1)..], CultureInfo.InvariantCulture)));
        }
        return [.. bytes];
    }

    public static string Format(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder();
        foreach (var b in bytes)
            text.Append(CultureInfo.InvariantCulture, $"{(text.Length == 0 ? "" : " ")}{b:x2}");
        return text.ToString();
    }
}
