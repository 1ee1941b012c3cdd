using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using PushSystem.Contracts;

namespace PushSystem.Coordinator.Upstream;

/// <summary>What one request gave.</summary>
internal enum DeliveryOutcome
{
    /// <summary>The receiver answered 2xx.</summary>
    Delivered,
    /// <summary>Any other answer, or none.</summary>
    Failed,
    /// <summary>The receiver answered 410: it wants no more.</summary>
    Gone,
    /// <summary>We are stopping; nothing is known.</summary>
    Stopped,
}

/// <summary>Outcome with the reason in words and the receiver's wish for the next attempt.</summary>
internal readonly record struct DeliveryResult(DeliveryOutcome Outcome, string Reason, TimeSpan? RetryAfter);

/// <summary>
/// Sends one signed event. Owns its HttpClient, and the handler unless one was given; any thread; disposed by the coordinator.
/// </summary>
internal sealed class WebhookClient : IDisposable
{
    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly TimeSpan _timeout;

    public WebhookClient(CoordinatorOptions options, TimeProvider time, HttpMessageHandler? handler)
    {
        _time = time;
        _timeout = options.RequestTimeout;
        _http = new HttpClient(handler ?? WebhookHandler.Create(options), disposeHandler: handler is null)
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Never throws.</summary>
    public async Task<DeliveryResult> PostAsync(Uri url, WebhookSettings webhook, QueuedEvent item, CancellationToken stopping)
    {
        using var deadline = new CancellationTokenSource(_timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, deadline.Token);
        try
        {
            using var request = Request(url, webhook, item);
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            var status = (int)response.StatusCode;
            if (status is >= 200 and < 300)
                return new DeliveryResult(DeliveryOutcome.Delivered, "", null);
            return new DeliveryResult(response.StatusCode == HttpStatusCode.Gone ? DeliveryOutcome.Gone : DeliveryOutcome.Failed,
                string.Create(CultureInfo.InvariantCulture, $"status {status}"), RetryAfterOf(response.Headers.RetryAfter));
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return new DeliveryResult(DeliveryOutcome.Stopped, "stopping", null);
        }
        catch (OperationCanceledException)
        {
            return new DeliveryResult(DeliveryOutcome.Failed, $"no answer within {_timeout}", null);
        }
        catch (Exception exception)
        {
            // Everything that a URL, a name, a socket, TLS or a peer's bytes can throw means the same: not delivered, try again.
            return new DeliveryResult(DeliveryOutcome.Failed, exception.InnerException is { } inner ? inner.Message : exception.Message, null);
        }
    }

    public void Dispose() => _http.Dispose();

    private HttpRequestMessage Request(Uri url, WebhookSettings webhook, QueuedEvent item)
    {
        var id = WebhookSignature.IdOf(item);
        var timestamp = _time.GetUtcNow().ToUnixTimeSeconds();
        var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ReadOnlyMemoryContent(item.Body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.Add("webhook-id", id);
        request.Headers.Add("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.Add("webhook-signature", WebhookSignature.Sign(webhook.Secrets, id, timestamp, item.Body.Span));
        request.Headers.TryAddWithoutValidation("User-Agent", "PushSystem-Webhook/1");
        return request;
    }

    private TimeSpan? RetryAfterOf(RetryConditionHeaderValue? header)
    {
        var pause = header?.Delta ?? (header?.Date is { } date ? date - _time.GetUtcNow() : null);
        return pause > TimeSpan.Zero ? pause : null;
    }
}
