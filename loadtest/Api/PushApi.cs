using System.Buffers.Text;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace PushSystem.Loadtest.Api;

/// <summary>One answer. Status 0: no answer, the request's fate is unknown.</summary>
internal readonly record struct ApiReply(int Status, int Length, string Error)
{
    /// <summary>Done.</summary>
    public bool Succeeded => Status is >= 200 and < 300;

    /// <summary>Refused and nothing was changed. Other failures leave the fate open.</summary>
    public bool Refused => Status is >= 400 and < 500;
}

/// <summary>
/// The HTTP API of the server under test. Owns its connections; any thread; disposed by the scenario.
/// </summary>
internal sealed class PushApi : IDisposable
{
    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly TimeSpan _timeout;

    public PushApi(Uri address, string apiKey, int connections, TimeSpan timeout, TimeProvider time)
    {
        (_time, _timeout) = (time, timeout);
        _http = new HttpClient(new SocketsHttpHandler
        {
            MaxConnectionsPerServer = connections,
            UseCookies = false,
            UseProxy = false,
            AllowAutoRedirect = false,
            ConnectTimeout = timeout,
        })
        {
            BaseAddress = address,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (apiKey.Length > 0)
            _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
    }

    /// <summary>
    /// Posts JSON and reads the answer into <paramref name="answer"/>, as much as fits. Never throws but for the caller's cancellation.
    /// </summary>
    public async ValueTask<ApiReply> PostAsync(string path, ReadOnlyMemory<byte> body, byte[] answer, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ReadOnlyMemoryContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            var length = await ReadAsync(response, answer, either.Token);
            var status = (int)response.StatusCode;
            return status is >= 200 and < 300
                ? new ApiReply(status, length, "")
                : new ApiReply(status, length, $"{path}: status {status}: {Encoding.UTF8.GetString(answer, 0, Math.Min(length, 300))}");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (OperationCanceledException)
        {
            return new ApiReply(0, 0, $"{path}: no answer within {_timeout.TotalSeconds:0.#} s");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or SocketException)
        {
            return new ApiReply(0, 0, $"{path}: {exception.Message}");
        }
    }

    /// <summary>Gets text; throws <see cref="LoadtestException"/> with the reason.</summary>
    public async Task<string> GetAsync(string path, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var response = await _http.GetAsync(path, either.Token);
            var text = await response.Content.ReadAsStringAsync(either.Token);
            return response.IsSuccessStatusCode ? text
                : throw new LoadtestException($"{_http.BaseAddress}{path.TrimStart('/')}: status {(int)response.StatusCode}: {text}");
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new LoadtestException($"{_http.BaseAddress}{path.TrimStart('/')}: {exception.Message}");
        }
    }

    /// <summary>A ticket for a user, good for a day; throws <see cref="LoadtestException"/>.</summary>
    public async Task<byte[]> TicketAsync(string user, byte[] answer, CancellationToken cancellationToken)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object> { ["user"] = user, ["ttlSeconds"] = 86_400 });
        var reply = await PostAsync("/v1/tickets", body, answer, cancellationToken);
        if (!reply.Succeeded)
            throw new LoadtestException(reply.Error);
        using var json = JsonDocument.Parse(answer.AsMemory(0, reply.Length));
        return Base64Url.DecodeFromChars(json.RootElement.GetProperty("ticket").GetString()!);
    }

    public void Dispose() => _http.Dispose();

    private static async ValueTask<int> ReadAsync(HttpResponseMessage response, byte[] answer, CancellationToken cancellationToken)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var length = 0;
        while (length < answer.Length)
        {
            var count = await stream.ReadAsync(answer.AsMemory(length), cancellationToken);
            if (count == 0)
                break;
            length += count;
        }
        return length;
    }
}

/// <summary>The run cannot go on; the message says why, for people.</summary>
internal sealed class LoadtestException(string message) : Exception(message);
