using System.Globalization;

namespace PushSystem.Center.Multicasts;

/// <summary>The API's names of multicasts: "t17" is number 17. One spelling each: no signs, no leading zeros. Pure.</summary>
internal static class MulticastId
{
    private const int MaxLength = 1 + 19;

    public static string Text(long id) => string.Create(CultureInfo.InvariantCulture, $"t{id}");

    public static bool TryParse(string text, out long id)
    {
        id = 0;
        return text.Length is >= 2 and <= MaxLength && text[0] == 't' && text[1] != '0'
            && long.TryParse(text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out id);
    }
}
