using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.ObjectPool;

namespace PushSystem.Center.Bodies;

/// <summary>
/// A JSON answer being written into a pooled buffer, so that its length is known before the first byte leaves. One request owns it
/// and returns it by disposing it.
/// </summary>
internal sealed class JsonReply : IDisposable
{
    private const int MaxKeptBytes = 64 * 1024;

    private static readonly DefaultObjectPool<JsonReply> Pool = new(new Policy(), Environment.ProcessorCount * 16);

    private ArrayBufferWriter<byte> _buffer = new(512);

    private JsonReply() =>
        Writer = new Utf8JsonWriter(_buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true });

    public Utf8JsonWriter Writer { get; }

    /// <summary>What was written; valid until disposed.</summary>
    public ReadOnlyMemory<byte> Bytes
    {
        get
        {
            Writer.Flush();
            return _buffer.WrittenMemory;
        }
    }

    public static JsonReply Rent() => Pool.Get();

    /// <summary>A value's JSON as an array of its own.</summary>
    public static byte[] Serialize<T>(T value, JsonTypeInfo<T> type)
    {
        using var reply = Rent();
        JsonSerializer.Serialize(reply.Writer, value, type);
        return reply.Bytes.ToArray();
    }

    /// <summary>Sends a body with status and length.</summary>
    public static async ValueTask SendAsync(HttpResponse response, int status, ReadOnlyMemory<byte> body)
    {
        response.StatusCode = status;
        response.Headers.CacheControl = "no-store";
        if (body.IsEmpty)
            return;
        response.ContentType = "application/json";
        response.ContentLength = body.Length;
        // Not cancelled with the request: to a caller that is gone the server writes nothing, and nobody has to handle that.
        await response.BodyWriter.WriteAsync(body, CancellationToken.None);
    }

    public void Dispose() => Pool.Return(this);

    private sealed class Policy : PooledObjectPolicy<JsonReply>
    {
        public override JsonReply Create() => new();

        public override bool Return(JsonReply reply)
        {
            if (reply._buffer.Capacity > MaxKeptBytes)
                reply._buffer = new ArrayBufferWriter<byte>(512);
            reply._buffer.ResetWrittenCount();
            reply.Writer.Reset(reply._buffer);
            return true;
        }
    }
}
