using System.Text;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// The watch behind a mirror: lists, watches from the next revision, and begins again with whatever the end of the stream asks for.
/// Owned by EtcdMirror; one loop on the thread pool (<see cref="Restart"/> from any thread); ends with the mirror's token.
/// </summary>
internal sealed class MirrorWatch(
    EtcdMirror mirror, string prefix, EtcdClient etcd, WatchOpener opener, EtcdHeartbeat heartbeat, EtcdOptions options)
{
    private const long PrefixId = 1, HeartbeatId = 2;
    private readonly byte[] _key = prefix.Length == 0 ? [0] : Encoding.UTF8.GetBytes(prefix);
    private readonly byte[] _end = EtcdRequests.PrefixEnd(Encoding.UTF8.GetBytes(prefix));
    private readonly byte[] _heartbeatKey = Encoding.UTF8.GetBytes(options.HeartbeatKey);
    private volatile CancellationTokenSource? _stream;
    private int _failures;

    /// <summary>A list showed what the stream should have brought: opens another one.</summary>
    public void Restart()
    {
        try
        {
            _stream?.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The stream ended by itself in this moment.
        }
    }

    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            var list = "first";
            while (true)
            {
                if (_failures > 0)
                    await Task.Delay(BackOff.After(_failures, options.BackOffMin, options.BackOffMax), etcd.Clock, stopping);
                if (list is not null && !await TryListAsync(list, stopping))
                    continue;
                var end = await WatchAsync(stopping);
                etcd.Metrics.WatchRestarted(end.Reason);
                if (end.Reason == "unreachable")
                    ClusterLog.WatchUnreachable(etcd.Logger, prefix, end.Text, mirror.Current.Revision);
                else
                    ClusterLog.WatchEnded(etcd.Logger, prefix, end.Reason, end.Text, mirror.Current.Revision);
                list = end.Reason is "compacted" or "malformed" or "canceled" or "defect" ? end.Reason : null;
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    private async Task<bool> TryListAsync(string reason, CancellationToken stopping)
    {
        try
        {
            // The first list may be a little old: the watch goes on from its revision.
            await mirror.ListAsync(reason, serializable: reason == "first", stopping);
            return true;
        }
        catch (EtcdException exception)
        {
            ClusterLog.ListFailed(etcd.Logger, prefix, exception.Message);
            _failures++;
            return false;
        }
    }

    private async Task<(string Reason, string Text)> WatchAsync(CancellationToken stopping)
    {
        using var interrupt = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        _stream = interrupt;
        EtcdEndpoint? endpoint = null;
        (string Reason, string Text) end;
        try
        {
            var body = EtcdRequests.Watch(_key, _end, mirror.Current.Revision + 1, _heartbeatKey);
            (var stream, endpoint, var failure) = await opener.OpenAsync(body, interrupt.Token);
            if (stream is null)
            {
                _failures++;
                return ("unreachable", $"{endpoint}: {failure!.Message}");
            }
            await using (stream)
                end = await ReadAsync(stream, endpoint, interrupt, stopping);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            end = ("behind", "a list showed changes that the watch had not brought");
        }
        catch (Exception exception) when (exception is IOException or HttpRequestException)
        {
            // etcd was killed, or the connection was: chunked bodies then end without their terminator.
            end = ("closed", exception.Message);
        }
        catch (FormatException exception)
        {
            end = ("malformed", exception.Message);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            ClusterLog.WorkFailed(etcd.Logger, $"watch of {prefix}", exception);
            end = ("defect", exception.Message);
        }
        finally
        {
            _stream = null;
        }
        if (end.Reason != "compacted")
        {
            _failures++;
            if (endpoint is not null)
                opener.Failed(endpoint, $"watch {end.Reason}");
        }
        await mirror.DrainAsync(stopping);
        return end;
    }

    private async Task<(string Reason, string Text)> ReadAsync(
        WatchStream stream, EtcdEndpoint endpoint, CancellationTokenSource interrupt, CancellationToken stopping)
    {
        var isSilent = false;
        var (isCreated, isHeartbeatWatched) = (false, true);
        var limit = options.HeartbeatInterval * 3;
        using var timer = etcd.Clock.CreateTimer(
            _ =>
            {
                if (Volatile.Read(ref isCreated) && !(Volatile.Read(ref isHeartbeatWatched) && heartbeat.IsWorking))
                    return;
                Volatile.Write(ref isSilent, true);
                Restart();
            },
            null, options.AttemptTimeout, limit);
        try
        {
            while (await stream.ReadLineAsync(interrupt.Token) is { } bytes)
            {
                var line = Parse(bytes, stream);
                timer.Change(limit, limit);
                if (line.Error is { } error)
                    return OfError(stream, error);
                if (line.IsCanceled && line.CompactRevision > 0)
                    return ("compacted", $"revision {line.CompactRevision} is the oldest left");
                // A watch that is not allowed gets the id -1: the order of the answers tells which one it is.
                var isHeartbeat = line.WatchId == HeartbeatId || (line.WatchId != PrefixId && isCreated);
                if (line.IsCanceled && !isHeartbeat)
                    return OfCancel(stream, line.CancelReason);
                if (line.IsCanceled)
                {
                    isHeartbeatWatched = false;
                    ClusterLog.HeartbeatRefused(etcd.Logger, options.HeartbeatKey, line.CancelReason);
                    continue;
                }
                if (isHeartbeat)
                {
                    if (line.Events.Count > 0)
                        Alive(endpoint, beat: true);
                    continue;
                }
                isCreated = true;
                if (line.Events.Count > 0)
                {
                    etcd.Metrics.Seen(line.Events[^1].Entry.ModRevision);
                    await mirror.PostAsync(line.Events, stopping);
                    Alive(endpoint, beat: false);
                }
            }
            return ("closed", "the stream ended");
        }
        catch (OperationCanceledException) when (Volatile.Read(ref isSilent) && !stopping.IsCancellationRequested)
        {
            return ("silent", $"{endpoint} sent no line within {limit.TotalSeconds} s");
        }
    }

    /// <summary>Only what comes behind the answer to the request proves that the stream works.</summary>
    private void Alive(EtcdEndpoint endpoint, bool beat)
    {
        _failures = 0;
        opener.Succeeded(endpoint);
        if (beat)
            heartbeat.Seen();
    }

    private static WatchLine Parse(byte[] bytes, WatchStream stream)
    {
        try
        {
            return WatchLine.Parse(bytes);
        }
        catch (FormatException) when (stream.IsEnded)
        {
            throw new IOException("the stream ended within a line");
        }
    }

    private (string, string) OfError(WatchStream stream, EtcdFailure error)
    {
        if (error.Kind == FailureKind.Unauthenticated)
            opener.InvalidateToken(stream);
        return (error.Code == EtcdFailure.OutOfRange ? "compacted" : "error", error.Message);
    }

    private (string, string) OfCancel(WatchStream stream, string reason)
    {
        if (EtcdFailure.IsAboutToken(reason))
            opener.InvalidateToken(stream);
        return ("canceled", reason);
    }
}
