using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// One POST to one endpoint: sends, reads at most the allowed bytes and says what a failure means. Knows nothing of failover.
/// Owned by EtcdClient, which disposes it; any thread.
/// </summary>
internal sealed class EtcdHttp : IDisposable
{
    private static readonly MediaTypeHeaderValue Json = new("application/json");
    private readonly HttpClient _http;
    private readonly EtcdOptions _options;
    private readonly TimeProvider _clock;
    private readonly X509Certificate2Collection _authorities = [];
    private readonly X509Certificate2? _certificate;

    public EtcdHttp(EtcdOptions options, TimeProvider clock)
    {
        (_options, _clock) = (options, clock);
        var handler = new SocketsHttpHandler
        {
            // A proxy or a redirect between a node and etcd could only do harm.
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        };
        if (options.CaFile.Length > 0)
        {
            _authorities.ImportFromPemFile(options.CaFile);
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(_authorities);
        }
        if (options.CertificateFile.Length > 0)
        {
            _certificate = X509Certificate2.CreateFromPemFile(options.CertificateFile, options.KeyFile.Length > 0 ? options.KeyFile : null);
            handler.SslOptions.ClientCertificates = [_certificate];
            // etcd may name no issuers that match an intermediate: the configured certificate is the only candidate.
            handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => _certificate;
        }
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Sends and reads a whole reply within <paramref name="limit"/>. The document is the caller's; only one of both is set.</summary>
    public async Task<(JsonDocument? Reply, EtcdFailure? Failure)> PostAsync(
        EtcdEndpoint endpoint, string path, ReadOnlyMemory<byte> body, string? token, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, _clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var response = await SendAsync(endpoint, path, body, token, linked.Token);
            var bytes = await ReadAsync(response, linked.Token);
            return Judge(response, bytes);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return (null, new EtcdFailure(FailureKind.Unknown, $"no answer within {limit.TotalSeconds} s"));
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return (null, OfException(exception));
        }
    }

    /// <summary>Sends and returns as soon as the headers are there. Throws what HttpClient throws.</summary>
    public async Task<HttpResponseMessage> SendAsync(
        EtcdEndpoint endpoint, string path, ReadOnlyMemory<byte> body, string? token, CancellationToken cancellationToken)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(endpoint.Address, path))
        {
            Content = new ReadOnlyMemoryContent(body) { Headers = { ContentType = Json } },
        };
        if (token is not null)
        {
            // The bare token: etcd's gateway takes no scheme such as "Bearer" before it.
            request.Headers.TryAddWithoutValidation("Authorization", token);
        }
        // Makes a member that has lost its leader end its streams instead of going quiet.
        request.Headers.TryAddWithoutValidation("Grpc-Metadata-hasleader", "true");
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    /// <summary>True when something that speaks for an etcd answers at this address.</summary>
    public async Task<bool> IsEtcdAsync(Uri address, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_options.AttemptTimeout, _clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var response = await _http.GetAsync(new Uri(address, "/version"), HttpCompletionOption.ResponseHeadersRead, linked.Token);
            if (!response.IsSuccessStatusCode)
                return false;
            using var reply = JsonDocument.Parse(await ReadAsync(response, linked.Token));
            return reply.RootElement.ValueKind == JsonValueKind.Object && reply.RootElement.TryGetProperty("etcdserver", out _);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or JsonException)
        {
            return false;
        }
    }

    /// <summary>What a broken request means: only a connection that never came about is known to have done nothing.</summary>
    public static EtcdFailure OfException(Exception exception) => new(
        exception is HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError,
        }
            ? FailureKind.NotSent
            : FailureKind.Unknown,
        exception.InnerException is { } inner ? $"{exception.Message} ({inner.Message})" : exception.Message);

    /// <summary>The error of a reply that is not a stream of lines, or null when its status is 200.</summary>
    public static EtcdFailure? OfStatus(HttpResponseMessage response, ReadOnlyMemory<byte> body)
    {
        if (response.IsSuccessStatusCode)
            return null;
        try
        {
            using var document = JsonDocument.Parse(body);
            return EtcdFailure.Find(document.RootElement) ?? EtcdFailure.OfStatus(response.StatusCode);
        }
        catch (JsonException)
        {
            return EtcdFailure.OfStatus(response.StatusCode);
        }
    }

    /// <summary>The body, at most <see cref="EtcdOptions.MaxReplyBytes"/>.</summary>
    public async Task<ReadOnlyMemory<byte>> ReadAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.Content.Headers.ContentLength > _options.MaxReplyBytes)
            throw new HttpRequestException($"the reply is larger than Etcd:MaxReplyBytes ({_options.MaxReplyBytes})");
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        using var body = new MemoryStream();
        var chunk = new byte[16 << 10];
        while (await stream.ReadAsync(chunk, cancellationToken) is var read and > 0)
        {
            if (body.Length + read > _options.MaxReplyBytes)
                throw new HttpRequestException($"the reply is larger than Etcd:MaxReplyBytes ({_options.MaxReplyBytes})");
            body.Write(chunk, 0, read);
        }
        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }

    public void Dispose()
    {
        _http.Dispose();
        _certificate?.Dispose();
        foreach (var authority in _authorities)
            authority.Dispose();
    }

    private static (JsonDocument?, EtcdFailure?) Judge(HttpResponseMessage response, ReadOnlyMemory<byte> body)
    {
        if (OfStatus(response, body) is { } failure)
            return (null, failure);
        // A stream that ends behind its only line (keepalive) reads like a reply: whatever follows the line is of no interest.
        var end = body.Span.IndexOf((byte)'\n');
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(end >= 0 ? body[..end] : body);
        }
        catch (JsonException exception)
        {
            return (null, new EtcdFailure(FailureKind.Unknown, $"the reply is no JSON: {exception.Message}"));
        }
        if (EtcdFailure.Find(document.RootElement) is not { } found)
            return (document, null);
        document.Dispose();
        return (null, found);
    }
}
