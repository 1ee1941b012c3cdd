using System.Text;
using System.Text.Json;
using PushSystem.Protocol;

namespace PushSystem.Client.Routing;

/// <summary>The outcome of one question: an answer, or why there is none and when to ask again.</summary>
internal readonly record struct RouteReply(RouteAnswer? Answer, TimeSpan RetryAfter, string Detail, Exception? Exception);

/// <summary>
/// Asks the dispatcher for rooms.
/// Owns the HttpClient; called by the connection loop only; disposed by the client.
/// </summary>
internal sealed class DispatcherClient : IDisposable
{
    private const int MaxAnswerBytes = 64 * 1024;
    private const int MaxFailedTold = ProtocolLimits.MaxAddresses;
    private static readonly TimeSpan MaxRetryAfter = TimeSpan.FromHours(1);

    private readonly PushClientOptions _options;
    private readonly HttpClient _http;

    public DispatcherClient(PushClientOptions options)
    {
        _options = options;
        // The time limit runs on the client's clock, so HttpClient's own is off.
        _http = options.HttpHandler is { } handler
            ? new HttpClient(handler, disposeHandler: false)
            : new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(2), AllowAutoRedirect = false });
        _http.Timeout = Timeout.InfiniteTimeSpan;
        _http.MaxResponseContentBufferSize = MaxAnswerBytes;
    }

    /// <summary>Asks once. Never throws except for <paramref name="cancellationToken"/>.</summary>
    public async Task<RouteReply> AskAsync(string app, string user, IReadOnlyCollection<RoomEndpoint> failed, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.RouteTimeout, _options.TimeProvider);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var response = await _http.GetAsync(Address(app, user, failed), both.Token);
            if (!response.IsSuccessStatusCode)
                return new RouteReply(null, RetryAfter(response), $"the dispatcher answered {(int)response.StatusCode}", null);
            var body = await response.Content.ReadAsByteArrayAsync(both.Token);
            return JsonSerializer.Deserialize(body, RouteJson.Default.RouteAnswer) is { Addresses.Length: > 0 } answer
                ? new RouteReply(answer, TimeSpan.Zero, "", null)
                : new RouteReply(null, TimeSpan.Zero, "the dispatcher answered without addresses", null);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (OperationCanceledException e)
        {
            return new RouteReply(null, TimeSpan.Zero, $"the dispatcher did not answer within {_options.RouteTimeout.TotalSeconds} s", e);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException or IOException)
        {
            return new RouteReply(null, TimeSpan.Zero, $"the dispatcher could not be asked: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private Uri Address(string app, string user, IReadOnlyCollection<RoomEndpoint> failed)
    {
        var query = new StringBuilder("v1/route?app=").Append(Uri.EscapeDataString(app))
            .Append("&user=").Append(Uri.EscapeDataString(user))
            .Append("&device=").Append(Uri.EscapeDataString(_options.Device));
        if (failed.Count > 0)
            query.Append("&failed=").Append(Uri.EscapeDataString(string.Join(',', failed.Take(MaxFailedTold))));
        if (_options.Region.Length > 0)
            query.Append("&region=").Append(Uri.EscapeDataString(_options.Region));
        if (_options.Isp.Length > 0)
            query.Append("&isp=").Append(Uri.EscapeDataString(_options.Isp));
        var root = _options.Dispatcher!.AbsoluteUri;
        return new Uri(new Uri(root.EndsWith('/') ? root : root + "/"), query.ToString());
    }

    private TimeSpan RetryAfter(HttpResponseMessage response)
    {
        var header = response.Headers.RetryAfter;
        var wait = header?.Delta ?? header?.Date - _options.TimeProvider.GetUtcNow() ?? TimeSpan.Zero;
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait > MaxRetryAfter ? MaxRetryAfter : wait;
    }
}
