using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// Calls with a deadline over all endpoints: the failover, the token and the meaning of errors are here and nowhere else.
/// Owned by EtcdClient; any thread; holds nothing to dispose.
/// </summary>
internal sealed class EtcdChannel(
    EtcdOptions options, EndpointList endpoints, EtcdHttp http, EtcdAuthentication authentication, TimeProvider clock, ClusterMetrics metrics, ILogger logger)
{
    /// <summary>
    /// Calls and returns the reply, which the caller disposes. <paramref name="isRepeatable"/>: an attempt with an unknown outcome may
    /// be made again elsewhere. Throws <see cref="EtcdException"/>.
    /// </summary>
    public async Task<JsonDocument> CallAsync(
        string operation, string path, ReadOnlyMemory<byte> body, bool isRepeatable, CancellationToken cancellationToken, TimeSpan? attemptTimeout = null)
    {
        if (body.Length > options.MaxRequestBytes * 4L / 3 + 4096)
        {
            metrics.Called(operation, "too_large");
            throw new EtcdException($"a request of {body.Length} bytes is above what Etcd:MaxRequestBytes ({options.MaxRequestBytes}) allows", isRefused: true);
        }
        using var deadline = new CancellationTokenSource(options.CallTimeout, clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var last = new EtcdFailure(FailureKind.Unknown, $"no answer within Etcd:CallTimeout ({options.CallTimeout.TotalSeconds} s)");
        try
        {
            List<EtcdEndpoint> tried = [];
            var renewal = new Renewal();
            while (endpoints.Pick(tried) is { } endpoint)
            {
                tried.Add(endpoint);
                var (reply, failure) = await AttemptAsync(endpoint, path, body, attemptTimeout ?? options.AttemptTimeout, renewal, linked.Token);
                if (reply is not null)
                {
                    endpoints.Succeeded(endpoint);
                    metrics.Called(operation, "ok");
                    return reply;
                }
                last = failure!;
                if (last.Kind == FailureKind.Refused)
                {
                    endpoints.Succeeded(endpoint);
                    break;
                }
                endpoints.Failed(endpoint, last.Message);
                if (last.Kind == FailureKind.Unknown && !isRepeatable)
                    break;
            }
            if (last.Kind == FailureKind.Unauthenticated)
                authentication.Rejected(renewal.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            // The last failure, if there is one, tells more than the deadline.
        }
        catch (ObjectDisposedException)
        {
            last = new EtcdFailure(FailureKind.NotSent, "this process has closed its connections to etcd");
        }
        var refused = last.Kind is FailureKind.Refused or FailureKind.Unauthenticated;
        metrics.Called(operation, refused ? "refused" : "failed");
        ClusterLog.CallFailed(logger, operation, last.Message);
        throw new EtcdException(refused ? $"etcd refused '{operation}': {last.Message}" : $"etcd gave no answer to '{operation}': {last.Message}", refused)
        {
            Code = last.Code,
        };
    }

    private async Task<(JsonDocument?, EtcdFailure?)> AttemptAsync(
        EtcdEndpoint endpoint, string path, ReadOnlyMemory<byte> body, TimeSpan limit, Renewal renewal, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (token, missing) = await authentication.TokenAsync(endpoint, cancellationToken);
            if (missing is not null)
                return (null, missing);
            var (reply, failure) = await http.PostAsync(endpoint, path, body, token, limit, cancellationToken);
            if (failure is not { Kind: FailureKind.Unauthenticated })
            {
                if (token is not null && reply is not null)
                    authentication.Accepted();
                return (reply, failure);
            }
            if (options.User.Length == 0)
                return (null, failure with { Kind = FailureKind.Refused, Message = failure.Message + " (Etcd:User is not set)" });
            renewal.Token = token;
            if (renewal.IsDone)
                return (null, failure);
            renewal.IsDone = true;
            authentication.Invalidate(token);
        }
    }

    /// <summary>
    /// A call gets one new token; if that is not taken either, the next endpoint is asked with it (members learn of tokens one after
    /// the other).
    /// </summary>
    private sealed class Renewal
    {
        public bool IsDone { get; set; }
        public string? Token { get; set; }
    }
}
