using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Net.Http.Headers;

namespace PushSystem.Center.Bodies;

/// <summary>
/// A request's whole body in one piece. A body that arrived at once is a window into the server's own buffer; a longer one is
/// copied into a rented buffer. One request owns it and disposes it; the bytes are gone then.
/// </summary>
internal sealed class RequestBody : IDisposable
{
    private PipeReader? _reader;
    private ReadResult _result;
    private byte[]? _rented;
    private BodyBudget? _budget;

    public ReadOnlyMemory<byte> Bytes { get; private set; }

    /// <summary>
    /// Reads a body of at most <paramref name="limit"/> bytes. An empty body is let through, whatever its content type: the parser
    /// knows whether it is needed.
    /// </summary>
    public static async ValueTask<RequestBody> ReadAsync(HttpContext http, long limit, BodyBudget budget)
    {
        var request = http.Request;
        CheckHeaders(request, limit);
        // The limit here is exact and has a better answer than the server's.
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
            size.MaxRequestBodySize = null;
        var body = new RequestBody();
        try
        {
            var reader = request.BodyReader;
            var result = await reader.ReadAsync(http.RequestAborted);
            if (result.IsCompleted && result.Buffer.IsSingleSegment)
            {
                body._reader = reader;
                body._result = result;
                body.Bytes = result.Buffer.First;
            }
            else
            {
                await body.CopyAsync(reader, result, limit, budget, http.RequestAborted);
            }
            if (body.Bytes.Length > limit)
                throw Problems.BodyTooLarge(limit);
            if (body.Bytes.Length > 0)
                CheckContentType(request);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Bytes = default;
        _reader?.AdvanceTo(_result.Buffer.End);
        _reader = null;
        if (_rented is null)
            return;
        ArrayPool<byte>.Shared.Return(_rented);
        _budget!.Release(_rented.Length);
        _rented = null;
    }

    private static void CheckHeaders(HttpRequest request, long limit)
    {
        if (request.ContentLength > limit)
            throw Problems.BodyTooLarge(limit);
        if (request.Headers.ContentEncoding is { Count: > 0 } encoding)
            throw Problems.WrongContentEncoding(encoding.ToString());
    }

    private static void CheckContentType(HttpRequest request)
    {
        var type = request.ContentType;
        if (string.Equals(type, "application/json", StringComparison.OrdinalIgnoreCase))
            return;
        if (!MediaTypeHeaderValue.TryParse(type, out var parsed)
            || !parsed.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase)
            || (parsed.Charset.HasValue && !HeaderUtilities.RemoveQuotes(parsed.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase)))
        {
            throw Problems.WrongContentType(type);
        }
    }

    private async ValueTask CopyAsync(PipeReader reader, ReadResult result, long limit, BodyBudget budget, CancellationToken cancellationToken)
    {
        _budget = budget;
        var length = 0;
        while (true)
        {
            var buffer = result.Buffer;
            var chunk = buffer.Length;
            if (length + chunk > limit)
            {
                reader.AdvanceTo(buffer.End);
                throw Problems.BodyTooLarge(limit);
            }
            try
            {
                Grow(length, (int)chunk, limit);
                buffer.CopyTo(_rented.AsSpan(length));
            }
            finally
            {
                reader.AdvanceTo(buffer.End);
            }
            length += (int)chunk;
            if (result.IsCompleted)
                break;
            result = await reader.ReadAsync(cancellationToken);
        }
        Bytes = _rented.AsMemory(0, length);
    }

    private void Grow(int length, int more, long limit)
    {
        if (_rented is not null && length + more <= _rented.Length)
            return;
        // Doubling bounds the copying; the announced length is not trusted with memory before the bytes are there.
        var wanted = (int)Math.Min(Math.Max(length + more, Math.Max(16 * 1024, length * 2L)), Math.Max(limit, length + more));
        var grown = ArrayPool<byte>.Shared.Rent(wanted);
        if (!_budget!.TryTake(grown.Length))
        {
            ArrayPool<byte>.Shared.Return(grown);
            throw Problems.BodiesOverloaded();
        }
        if (_rented is not null)
        {
            _rented.AsSpan(0, length).CopyTo(grown);
            ArrayPool<byte>.Shared.Return(_rented);
            _budget.Release(_rented.Length);
        }
        _rented = grown;
    }
}

/// <summary>Bounds the bytes of all bodies that are held at once. Thread-safe.</summary>
internal sealed class BodyBudget(long bytes)
{
    private long _left = bytes;

    public bool TryTake(int count)
    {
        if (Interlocked.Add(ref _left, -count) >= 0)
            return true;
        Interlocked.Add(ref _left, count);
        return false;
    }

    public void Release(int count) => Interlocked.Add(ref _left, count);
}
