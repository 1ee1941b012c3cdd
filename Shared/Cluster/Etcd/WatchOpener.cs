namespace PushSystem.Cluster.Etcd;

/// <summary>Opens watch streams on the endpoint in use. Owned by EtcdClient; any thread.</summary>
internal sealed class WatchOpener(EtcdOptions options, EndpointList endpoints, EtcdHttp http, EtcdAuthentication authentication, TimeProvider clock)
{
    /// <summary>
    /// A stream of lines, which the caller disposes, or why there is none (already told to the list of endpoints). The endpoint tells
    /// where it leads.
    /// </summary>
    public async Task<(WatchStream? Stream, EtcdEndpoint Endpoint, EtcdFailure? Failure)> OpenAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var endpoint = endpoints.Pick()!;
        using var timeout = new CancellationTokenSource(options.AttemptTimeout, clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        HttpResponseMessage? response = null;
        EtcdFailure? failure;
        try
        {
            (var token, failure) = await authentication.TokenAsync(endpoint, linked.Token);
            if (failure is null)
            {
                response = await http.SendAsync(endpoint, "/v3/watch", body, token, linked.Token);
                if (response.IsSuccessStatusCode)
                    return (new WatchStream(response, await response.Content.ReadAsStreamAsync(linked.Token), token, options.MaxReplyBytes), endpoint, null);
                failure = EtcdHttp.OfStatus(response, await http.ReadAsync(response, linked.Token));
                if (failure is { Kind: FailureKind.Unauthenticated })
                    authentication.Invalidate(token);
            }
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            failure = new EtcdFailure(FailureKind.Unknown, $"no answer within {options.AttemptTimeout.TotalSeconds} s");
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            failure = EtcdHttp.OfException(exception);
        }
        response?.Dispose();
        endpoints.Failed(endpoint, failure!.Message);
        return (null, endpoint, failure);
    }

    /// <summary>The stream's token is not accepted: the next stream brings a new one.</summary>
    public void InvalidateToken(WatchStream stream) => authentication.Invalidate(stream.Token);

    /// <summary>The endpoint's stream was not good: the next is opened elsewhere if there is an elsewhere.</summary>
    public void Failed(EtcdEndpoint endpoint, string reason) => endpoints.Failed(endpoint, reason);

    /// <summary>The endpoint's stream began to work.</summary>
    public void Succeeded(EtcdEndpoint endpoint) => endpoints.Succeeded(endpoint);
}
