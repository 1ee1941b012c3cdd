using System.Globalization;
using System.Text.Unicode;

namespace PushSystem.Center;

/// <summary>
/// The API's names of stored things: "m1-17" is seq 17 of epoch 1 of a mailbox, "b1-4" of an app's broadcast log. One spelling each:
/// no signs, no leading zeros.
/// </summary>
internal readonly record struct StreamId(uint Epoch, long Seq)
{
    public const char Message = 'm', Broadcast = 'b';

    /// <summary>Longest text, ASCII.</summary>
    public const int MaxLength = 1 + 10 + 1 + 19;

    public static bool TryParse(string text, char kind, out StreamId id)
    {
        id = default;
        if (text.Length is < 4 or > MaxLength || text[0] != kind)
            return false;
        var dash = text.IndexOf('-', StringComparison.Ordinal);
        if (dash < 2
            || !uint.TryParse(text.AsSpan(1, dash - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var epoch)
            || !long.TryParse(text.AsSpan(dash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var seq)
            || epoch == 0 || seq == 0 || text[1] == '0' || text[dash + 1] == '0')
            return false;
        id = new StreamId(epoch, seq);
        return true;
    }

    public string Text(char kind) => string.Create(CultureInfo.InvariantCulture, $"{kind}{Epoch}-{Seq}");

    /// <summary>Writes the text as ASCII and returns its length; <paramref name="target"/> has at least <see cref="MaxLength"/> bytes.</summary>
    public int Format(char kind, Span<byte> target)
    {
        Utf8.TryWrite(target, CultureInfo.InvariantCulture, $"{kind}{Epoch}-{Seq}", out var written);
        return written;
    }
}
