using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// The one token of this process. It is never renewed by a guess at its life time: a 401 makes it invalid, and the next call fetches
/// one, all others waiting for it. etcd spends tens of milliseconds of CPU on each password, so failures back off.
/// Owned by EtcdClient, which disposes it; any thread.
/// </summary>
internal sealed class EtcdAuthentication(EtcdOptions options, EtcdHttp http, TimeProvider clock, ClusterMetrics metrics, ILogger logger) : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1);
    private volatile string? _token;
    private volatile bool _isOff;
    private bool _hadToken;
    private int _failures;
    private long _notBefore;

    /// <summary>
    /// The token to send (null = none), fetched from <paramref name="endpoint"/> if there is none. Failure: no token, and what it means.
    /// </summary>
    public async ValueTask<(string? Token, EtcdFailure? Failure)> TokenAsync(EtcdEndpoint endpoint, CancellationToken cancellationToken)
    {
        if (options.User.Length == 0 || _isOff)
            return (null, null);
        if (_token is { } known)
            return (known, null);
        await _gate.WaitAsync(cancellationToken);
        try
        {
            if (_token is { } fetched)
                return (fetched, null);
            if (clock.GetTimestamp() < _notBefore)
                return (null, new EtcdFailure(FailureKind.Refused, "authentication failed a moment ago and backs off"));
            return await FetchAsync(endpoint, cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>etcd does not accept this token (null: it wants one).</summary>
    public void Invalidate(string? token)
    {
        if (token is null)
            _isOff = false;
        Interlocked.CompareExchange(ref _token, null, token);
    }

    /// <summary>A fresh token was not accepted either: pause before the next.</summary>
    public void Rejected(string? token)
    {
        Invalidate(token);
        Pause();
    }

    /// <summary>etcd answered a call with this token.</summary>
    public void Accepted() => Volatile.Write(ref _failures, 0);

    public void Dispose() => _gate.Dispose();

    private async Task<(string?, EtcdFailure?)> FetchAsync(EtcdEndpoint endpoint, CancellationToken cancellationToken)
    {
        if (_hadToken && options.AuthenticationSpread > TimeSpan.Zero)
            await Task.Delay(options.AuthenticationSpread * Random.Shared.NextDouble(), clock, cancellationToken);
        var (reply, failure) = await http.PostAsync(
            endpoint, "/v3/auth/authenticate", EtcdRequests.Authenticate(options.User, options.Password), null, options.AttemptTimeout, cancellationToken);
        using (reply)
        {
            if (failure is null)
            {
                try
                {
                    _token = EtcdReplies.Text(reply!.RootElement, "token") is { Length: > 0 } token ? token : throw new FormatException("'token' is missing");
                    _hadToken = true;
                    metrics.Authenticated("ok");
                    return (_token, null);
                }
                catch (FormatException exception)
                {
                    failure = new EtcdFailure(FailureKind.Unknown, exception.Message);
                }
            }
        }
        if (failure is { Kind: FailureKind.Refused, Code: EtcdFailure.FailedPrecondition })
        {
            // Authentication is not enabled (yet). When it will be, calls are answered "user name is empty".
            ClusterLog.AuthenticationOff(logger, options.User);
            _isOff = true;
            return (null, null);
        }
        metrics.Authenticated(failure.Kind == FailureKind.Refused ? "refused" : "failed");
        ClusterLog.AuthenticationFailed(logger, options.User, failure.Message);
        if (failure.Kind is FailureKind.Refused or FailureKind.Unauthenticated)
        {
            Pause();
            return (null, failure with { Kind = FailureKind.Refused });
        }
        // Nothing of the call itself was sent yet.
        return (null, failure with { Kind = FailureKind.NotSent });
    }

    private void Pause()
    {
        var pause = BackOff.After(Interlocked.Increment(ref _failures), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));
        _notBefore = clock.GetTimestamp() + (long)(pause.TotalSeconds * clock.TimestampFrequency);
    }
}
