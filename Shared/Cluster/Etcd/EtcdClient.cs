using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// etcd over its v3 JSON gateway. Owns the endpoints, the token, the heartbeat and the HTTP connections of this process.
/// Any thread; its background loops run on the thread pool.
/// Disposed by whoever made it, after its mirrors: it waits for the loops and closes the connections.
/// </summary>
public sealed class EtcdClient : IEtcd, IEtcdLeases, IAsyncDisposable
{
    /// <summary>etcd's own limit (--max-txn-ops).</summary>
    public const int MaxTransactionParts = 128;

    private const int PageSize = 1000;
    private readonly EtcdOptions _options;
    private readonly EtcdHttp _http;
    private readonly EtcdAuthentication _authentication;
    private readonly EtcdChannel _channel;
    private readonly EtcdHeartbeat _heartbeat;
    private readonly WatchOpener _opener;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _refreshing;
    private int _isDisposed;

    /// <summary>Makes the client; nothing is sent before the first call. Throws <see cref="ArgumentException"/> for bad options.</summary>
    public EtcdClient(EtcdOptions options, TimeProvider clock, ILogger<EtcdClient> logger)
    {
        options.Validate();
        (_options, Clock, Logger) = (options, clock, logger);
        Endpoints = new EndpointList(options, clock, Metrics, logger);
        _http = new EtcdHttp(options, clock);
        _authentication = new EtcdAuthentication(options, _http, clock, Metrics, logger);
        _channel = new EtcdChannel(options, Endpoints, _http, _authentication, clock, Metrics, logger);
        _opener = new WatchOpener(options, Endpoints, _http, _authentication, clock);
        _heartbeat = new EtcdHeartbeat(this, options, clock, logger, _stopping.Token);
        Members = new MemberRefresh(options, Endpoints, _channel, _http, clock, logger);
        _refreshing = Members.RunAsync(_stopping.Token);
    }

    internal TimeProvider Clock { get; }
    internal ILogger Logger { get; }
    internal ClusterMetrics Metrics { get; } = new();
    internal EndpointList Endpoints { get; }
    internal MemberRefresh Members { get; }

    /// <inheritdoc/>
    public async ValueTask<EtcdEntry?> GetAsync(string key, CancellationToken cancellationToken)
    {
        var body = EtcdRequests.Range(Encoding.UTF8.GetBytes(key), null, 0, 0, serializable: false);
        using var reply = await _channel.CallAsync("get", "/v3/kv/range", body, isRepeatable: true, cancellationToken);
        return Read("get", reply, root =>
        {
            Metrics.Seen(EtcdReplies.Revision(root));
            foreach (var kv in EtcdReplies.Array(root, "kvs"))
                return EtcdReplies.Entry(kv);
            return (EtcdEntry?)null;
        });
    }

    /// <inheritdoc/>
    public ValueTask<EtcdRange> ListAsync(string prefix, CancellationToken cancellationToken) =>
        ListAsync(prefix, serializable: false, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<EtcdReply> CommitAsync(EtcdTransaction transaction, CancellationToken cancellationToken)
    {
        CheckSize(transaction);
        using var reply = await _channel.CallAsync("commit", "/v3/kv/txn", EtcdRequests.Transaction(transaction), isRepeatable: false, cancellationToken);
        return Read("commit", reply, root =>
        {
            var done = new EtcdReply(EtcdReplies.Bool(root, "succeeded"), EtcdReplies.Revision(root));
            Metrics.Seen(done.Revision);
            return done;
        });
    }

    /// <inheritdoc/>
    public IEtcdMirror Mirror(string prefix)
    {
        ObjectDisposedException.ThrowIf(_isDisposed != 0, this);
        _heartbeat.Start();
        return new EtcdMirror(prefix, this, _opener, _heartbeat, _options, _stopping.Token);
    }

    /// <inheritdoc/>
    public async ValueTask<EtcdLease> GrantAsync(TimeSpan timeToLive, CancellationToken cancellationToken)
    {
        // Repeatable: a lease that nobody knows of holds no keys and ends by itself.
        var body = EtcdRequests.Grant((long)Math.Ceiling(timeToLive.TotalSeconds));
        using var reply = await _channel.CallAsync("grant", "/v3/lease/grant", body, isRepeatable: true, cancellationToken);
        return Read("grant", reply, root =>
        {
            var (id, seconds) = (EtcdReplies.Int64(root, "ID"), EtcdReplies.Int64(root, "TTL"));
            return id != 0 && seconds > 0 ? new EtcdLease(id, TimeSpan.FromSeconds(seconds)) : throw new FormatException("'ID' or 'TTL' is missing");
        });
    }

    /// <inheritdoc/>
    public async ValueTask<TimeSpan?> KeepAliveAsync(long lease, TimeSpan attemptTimeout, CancellationToken cancellationToken)
    {
        using var reply = await _channel.CallAsync(
            "keepalive", "/v3/lease/keepalive", EtcdRequests.Lease(lease), isRepeatable: true, cancellationToken, attemptTimeout);
        return Read("keepalive", reply, root =>
        {
            var result = EtcdReplies.Object(root, "result");
            if (EtcdReplies.Int64(result, "ID") != lease)
                throw new FormatException("'ID' is not the lease's");
            // The gateway leaves zero values out: a reply without TTL, with status 200, is how it says that the lease is gone.
            var seconds = EtcdReplies.Int64(result, "TTL");
            return seconds > 0 ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;
        });
    }

    /// <inheritdoc/>
    public async ValueTask<bool> RevokeAsync(long lease, CancellationToken cancellationToken)
    {
        try
        {
            using var reply = await _channel.CallAsync("revoke", "/v3/lease/revoke", EtcdRequests.Lease(lease), isRepeatable: true, cancellationToken);
            return true;
        }
        catch (EtcdException exception) when (exception.Code == EtcdFailure.NotFound)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        await _stopping.CancelAsync();
        await _refreshing;
        await _heartbeat.StoppedAsync();
        _http.Dispose();
        _authentication.Dispose();
        Metrics.Dispose();
        _stopping.Dispose();
    }

    /// <summary>A serializable list may be older than what etcd has acknowledged, but costs the leader nothing and works without one.</summary>
    internal async ValueTask<EtcdRange> ListAsync(string prefix, bool serializable, CancellationToken cancellationToken)
    {
        var first = Encoding.UTF8.GetBytes(prefix);
        var end = EtcdRequests.PrefixEnd(first);
        var key = first.Length == 0 ? [0] : first;
        List<EtcdEntry> entries = [];
        long revision = 0;
        while (true)
        {
            // Pages behind the first are read at its revision: together they are one list.
            var body = EtcdRequests.Range(key, end, PageSize, revision, serializable);
            using var reply = await _channel.CallAsync("list", "/v3/kv/range", body, isRepeatable: true, cancellationToken);
            var hasMore = Read("list", reply, root =>
            {
                if (revision == 0)
                    revision = EtcdReplies.Revision(root);
                foreach (var kv in EtcdReplies.Array(root, "kvs"))
                    entries.Add(EtcdReplies.Entry(kv));
                return EtcdReplies.Bool(root, "more") && entries.Count > 0;
            });
            if (!hasMore)
                break;
            key = [.. Encoding.UTF8.GetBytes(entries[^1].Key), 0];
        }
        Metrics.Seen(revision);
        return new EtcdRange(entries, revision);
    }

    private void CheckSize(EtcdTransaction transaction)
    {
        if (transaction.Conditions.Count > MaxTransactionParts || transaction.Writes.Count > MaxTransactionParts)
            throw new EtcdException($"a transaction holds at most {MaxTransactionParts} conditions and as many writes", isRefused: true);
        long bytes = 0;
        foreach (var condition in transaction.Conditions)
            bytes += Encoding.UTF8.GetByteCount(condition.Key);
        foreach (var write in transaction.Writes)
            bytes += Encoding.UTF8.GetByteCount(write.Key) + (write.Value?.Length ?? 0);
        if (bytes > _options.MaxRequestBytes)
            throw new EtcdException($"a transaction of {bytes} bytes is above Etcd:MaxRequestBytes ({_options.MaxRequestBytes})", isRefused: true);
    }

    private static T Read<T>(string operation, JsonDocument reply, Func<JsonElement, T> read)
    {
        try
        {
            return read(reply.RootElement);
        }
        catch (Exception exception) when (exception is FormatException or InvalidOperationException)
        {
            throw new EtcdException($"etcd's answer to '{operation}' cannot be read: {exception.Message}", inner: exception);
        }
    }
}
