using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// Sees to it that the heartbeat key changes every few seconds, by whomever: each client waits for one to two intervals after the last
/// change that it saw, so that in a cluster of any size about one write per interval is made.
/// Owned by EtcdClient; one loop on the thread pool; ends with the client's token.
/// </summary>
internal sealed class EtcdHeartbeat(EtcdClient etcd, EtcdOptions options, TimeProvider clock, ILogger logger, CancellationToken stopping)
{
    private readonly Lock _lock = new();
    private Task? _running;
    private long _lastSeen;
    private volatile bool _isWorking = true;

    /// <summary>False while etcd refuses to write the key (no permission, out of space): silence then says nothing.</summary>
    public bool IsWorking => _isWorking;

    /// <summary>Starts the loop at the first call.</summary>
    public void Start()
    {
        lock (_lock)
            _running ??= RunAsync();
    }

    /// <summary>A watch brought a change of the key.</summary>
    public void Seen() => Volatile.Write(ref _lastSeen, clock.GetTimestamp());

    /// <summary>Completes when the loop has ended.</summary>
    public Task StoppedAsync()
    {
        lock (_lock)
            return _running ?? Task.CompletedTask;
    }

    private async Task RunAsync()
    {
        Seen();
        try
        {
            while (true)
            {
                var pause = options.HeartbeatInterval * (1 + Random.Shared.NextDouble());
                var before = Volatile.Read(ref _lastSeen);
                await Task.Delay(pause, clock, stopping);
                // A change in between: somebody else writes.
                if (Volatile.Read(ref _lastSeen) == before)
                    await WriteAsync();
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    private async Task WriteAsync()
    {
        try
        {
            await etcd.CommitAsync(new EtcdTransaction([], [new EtcdWrite(options.HeartbeatKey, "1"u8.ToArray(), 0)]), stopping);
            _isWorking = true;
        }
        catch (EtcdException exception)
        {
            // No answer is what the silence is for; a refusal would make every healthy watch look silent.
            if (exception.IsRefused && _isWorking)
            {
                _isWorking = false;
                ClusterLog.HeartbeatRefused(logger, options.HeartbeatKey, exception.Message);
            }
        }
    }
}
