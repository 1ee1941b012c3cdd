using System.Text;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using PushSystem.Center.Bodies;
using PushSystem.Protocol;

namespace PushSystem.Center.Endpoints;

/// <summary>
/// Ids in a path, decoded from the request's own text: the server leaves %2F as it is, which would make "a%2Fb" and "a%252Fb" the
/// same user.
/// </summary>
internal static class PathSegments
{
    /// <summary>
    /// The user in the segment that is <paramref name="fromEnd"/> segments before the last. Throws the problem to answer with.
    /// </summary>
    public static string User(HttpContext http, int fromEnd)
    {
        var limit = JsonFields.TextLimit(1, ProtocolLimits.MaxUserBytes);
        if (Decode(Raw(http, fromEnd)) is not { } user)
            throw Problems.Invalid("user", "user is not percent-encoded UTF-8.", limit);
        return JsonFields.CheckText(user, 1, ProtocolLimits.MaxUserBytes) is { } fault
            ? throw Problems.Invalid("user", $"user {fault}.", limit)
            : user;
    }

    /// <summary>A value of the matched route.</summary>
    public static string Route(HttpContext http, string name) => (string?)http.Request.RouteValues[name] ?? "";

    internal static string? Decode(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var length = 0;
        while (!text.IsEmpty)
        {
            if (text[0] != '%')
            {
                if (!Rune.TryGetRuneAt(text.ToString(), 0, out var rune))
                    return null;
                length += rune.EncodeToUtf8(bytes.AsSpan(length));
                text = text[rune.Utf16SequenceLength..];
                continue;
            }
            if (text.Length < 3 || !char.IsAsciiHexDigit(text[1]) || !char.IsAsciiHexDigit(text[2]))
                return null;
            bytes[length++] = byte.Parse(text.Slice(1, 2), System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture);
            text = text[3..];
        }
        var decoded = bytes.AsSpan(0, length);
        return Utf8.IsValid(decoded) ? Encoding.UTF8.GetString(decoded) : null;
    }

    private static ReadOnlySpan<char> Raw(HttpContext http, int fromEnd)
    {
        var path = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget.AsSpan();
        if (path.IndexOf('?') is >= 0 and var query)
            path = path[..query];
        path = path.TrimEnd('/');
        for (; fromEnd > 0; fromEnd--)
            path = path[..Math.Max(0, path.LastIndexOf('/'))];
        return path[(path.LastIndexOf('/') + 1)..];
    }
}
