using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PushSystem.Hosting.Problems;

/// <summary>
/// An error as the HTTP APIs tell it (application/problem+json, RFC 9457). <see cref="Slug"/> is the stable name that programs compare;
/// it is only added to. Immutable.
/// </summary>
public sealed record Problem(int Status, string Slug, string Title, string Detail)
{
    /// <summary>Media type of the body.</summary>
    public const string ContentType = "application/problem+json";

    /// <summary>The field that is wrong, as a path such as "messages[3].user".</summary>
    public string? Field { get; init; }
    /// <summary>What would be allowed, such as "1 to 604800".</summary>
    public string? Limit { get; init; }
    /// <summary>When to try again; told in Retry-After, rounded up to seconds.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Writes status, headers and body. The response must not have started.</summary>
    public async Task WriteAsync(HttpResponse response)
    {
        response.StatusCode = Status;
        response.ContentType = ContentType;
        response.Headers.CacheControl = "no-store";
        if (RetryAfter is { } wait)
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        var body = Body();
        response.ContentLength = body.Length;
        // Not cancelled with the request: to a caller that is gone the server writes nothing, and nobody has to handle that.
        if (!HttpMethods.IsHead(response.HttpContext.Request.Method))
            await response.BodyWriter.WriteAsync(body, CancellationToken.None);
    }

    private byte[] Body()
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>(256);
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            writer.WriteStartObject();
            writer.WriteString("type"u8, $"/problems/{Slug}");
            writer.WriteString("title"u8, Title);
            writer.WriteNumber("status"u8, Status);
            writer.WriteString("detail"u8, Detail);
            if (Field is not null)
                writer.WriteString("field"u8, Field);
            if (Limit is not null)
                writer.WriteString("limit"u8, Limit);
            writer.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }
}

/// <summary>Ends a request with a problem. Thrown where the request is refused, written at the edge.</summary>
public sealed class ProblemException(Problem problem) : Exception(problem.Detail)
{
    /// <summary>What is told to the caller.</summary>
    public Problem Problem { get; } = problem;
}
