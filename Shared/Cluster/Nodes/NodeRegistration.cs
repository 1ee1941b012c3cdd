using Microsoft.Extensions.Logging;
using PushSystem.Cluster.Etcd;

namespace PushSystem.Cluster.Nodes;

/// <summary>
/// This process's key in etcd. Owns the lease that all keys of the process are bound to and the loop that registers, describes and,
/// after a loss, registers anew.
/// Any thread reads; the loop runs on the thread pool and raises the events.
/// Disposed by whoever made it (not from a handler): revokes the lease, so that others know at once. The token is the caller's.
/// </summary>
public sealed class NodeRegistration : INodeLease, ILeaseSource, IAsyncDisposable
{
    private readonly EtcdClient _etcd;
    private readonly NodeKey _key;
    private readonly NodeOptions _options;
    private readonly IEtcdMirror _mirror;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource<long> _registered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private readonly Task _running;
    private NodeInfo _info;
    private TaskCompletionSource _describe = NewSignal();
    private TaskCompletionSource _leased = NewSignal();
    private volatile NodeHold? _hold;
    private long _lastIncarnation;
    private int _isDisposed;

    /// <summary>
    /// Begins to register <paramref name="info"/>; its Process and Incarnation are set here. Does not wait for etcd:
    /// see <see cref="Registered"/>. Throws <see cref="ArgumentException"/> for bad options or a bad description.
    /// </summary>
    public NodeRegistration(EtcdClient etcd, ClusterKeys keys, NodeInfo info, NodeToken token, NodeOptions options)
    {
        options.Validate();
        _info = info with { Process = token.Process, Incarnation = 0 };
        NodeInfoJson.Write(_info);
        (_etcd, _options) = (etcd, options);
        _key = new NodeKey(etcd, keys.Node(info.Role, info.Id), _info, token, options);
        _mirror = etcd.Mirror(_key.Name);
        _mirror.Changed += (_, after) => Check(after);
        // Whoever does not wait for the first registration must not be told of it as an unobserved exception.
        _ = _registered.Task.ContinueWith(task => task.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
        _running = Task.Run(() => RunAsync(_stopping.Token), CancellationToken.None);
    }

    /// <inheritdoc/>
    public event Action<long>? Renewed;

    /// <summary>
    /// Told when a newer process of this node, or another node with its id, took the key while this process had lost it. This process
    /// then has no incarnation until that key is gone; it should end. Handlers must not wait and must not throw.
    /// </summary>
    public event Action<DuplicateNodeException>? Replaced;

    /// <summary>
    /// The first incarnation. Fails with <see cref="DuplicateNodeException"/> when the id is taken: nothing more is tried then. Waits
    /// while etcd is away; a node that can work without need not wait.
    /// </summary>
    public Task<long> Registered => _registered.Task;

    /// <inheritdoc/>
    public long Incarnation => _hold is { Lease.IsHeld: true } hold ? hold.Incarnation : 0;

    /// <inheritdoc/>
    public long LastIncarnation => Volatile.Read(ref _lastIncarnation);

    /// <inheritdoc/>
    public void Describe(NodeInfo info)
    {
        if (info.Id != _key.Info.Id || info.Role != _key.Info.Role)
            throw new ArgumentException($"a node cannot change its id or role ({_key.Info.Role}/{_key.Info.Id} to {info.Role}/{info.Id})");
        var next = info with { Process = _key.Info.Process, Incarnation = 0 };
        NodeInfoJson.Write(next);
        lock (_lock)
            _info = next;
        Interlocked.Exchange(ref _describe, NewSignal()).TrySetResult();
    }

    /// <inheritdoc/>
    public async ValueTask<LeaseKeeper> LeaseAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var leased = Volatile.Read(ref _leased);
            if (_hold is { } hold && !hold.Lease.Lost.IsCompleted)
                return hold.Lease;
            await leased.Task.WaitAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
            return;
        await _stopping.CancelAsync();
        await _running;
        await _mirror.DisposeAsync();
        if (_hold is { } hold)
        {
            _hold = null;
            await hold.Lease.DisposeAsync();
            await _key.TryRevokeAsync(hold.Lease.Id);
        }
        _registered.TrySetCanceled(CancellationToken.None);
        _leased.TrySetCanceled(CancellationToken.None);
        _stopping.Dispose();
    }

    private async Task RunAsync(CancellationToken stopping)
    {
        int failures = 0, shortHolds = 0;
        try
        {
            while (true)
            {
                try
                {
                    if (_hold is null)
                        await RegisterAsync(stopping);
                    failures = 0;
                    var since = _etcd.Clock.GetTimestamp();
                    await HoldAsync(_hold!, stopping);
                    // The first loss is mended at once; whoever takes the key away again and again is not raced.
                    shortHolds = _etcd.Clock.GetElapsedTime(since) < _options.LeaseTime / 4 ? shortHolds + 1 : 0;
                    if (shortHolds > 1)
                        await Task.Delay(BackOff.After(shortHolds, TimeSpan.FromMilliseconds(100), _options.LeaseTime / 2), _etcd.Clock, stopping);
                }
                catch (DuplicateNodeException exception) when (!_registered.Task.IsCompleted)
                {
                    ClusterLog.Replaced(_etcd.Logger, _key.Info.Role, _key.Info.Id, exception.Message);
                    _registered.TrySetException(exception);
                    return;
                }
                catch (DuplicateNodeException exception)
                {
                    ClusterLog.Replaced(_etcd.Logger, _key.Info.Role, _key.Info.Id, exception.Message);
                    Raise(nameof(Replaced), () => Replaced?.Invoke(exception));
                    await Task.Delay(_options.LeaseTime, _etcd.Clock, stopping);
                }
                catch (EtcdException exception)
                {
                    ClusterLog.RegistrationFailed(_etcd.Logger, _key.Info.Role, _key.Info.Id, exception.Message);
                    await Task.Delay(BackOff.After(++failures, TimeSpan.FromMilliseconds(100), _options.LeaseTime / 4), _etcd.Clock, stopping);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            ClusterLog.WorkFailed(_etcd.Logger, "registration of the node", exception);
            _registered.TrySetException(exception);
        }
    }

    private async Task RegisterAsync(CancellationToken stopping)
    {
        NodeInfo info;
        lock (_lock)
            info = _info;
        var hold = await _key.CreateAsync(info, isFirst: !_registered.Task.IsCompleted, stopping);
        Volatile.Write(ref _lastIncarnation, hold.Incarnation);
        _hold = hold;
        Interlocked.Exchange(ref _leased, NewSignal()).TrySetResult();
        // The watch may have told of the key's end before there was a hold to compare it with.
        Check(_mirror.Current);
        if (!_registered.TrySetResult(hold.Incarnation))
            Raise(nameof(Renewed), () => Renewed?.Invoke(hold.Incarnation));
    }

    /// <summary>Describes until the registration is lost, then clears it away.</summary>
    private async Task HoldAsync(NodeHold hold, CancellationToken stopping)
    {
        var lost = hold.Lease.Lost;
        while (!lost.IsCompleted)
        {
            var signal = Volatile.Read(ref _describe);
            NodeInfo info;
            lock (_lock)
                info = _info;
            if (ReferenceEquals(info, hold.Written))
            {
                await Task.WhenAny(signal.Task, lost).WaitAsync(stopping);
                continue;
            }
            await DescribeAsync(hold, info, stopping);
            await Task.WhenAny(Task.Delay(_options.DescribeInterval, _etcd.Clock, stopping), lost).WaitAsync(stopping);
        }
        _hold = null;
        var reason = hold.IsKeyLost ? "its key was removed" : "its lease ended";
        _etcd.Metrics.LeaseLost(hold.IsKeyLost ? "key" : "lease");
        ClusterLog.RegistrationLost(_etcd.Logger, _key.Info.Role, _key.Info.Id, hold.Incarnation, reason);
        await hold.Lease.DisposeAsync();
        // A lease that outlived the key may still hold other keys of this process.
        if (hold.IsKeyLost)
            await _key.TryRevokeAsync(hold.Lease.Id);
    }

    private async Task DescribeAsync(NodeHold hold, NodeInfo info, CancellationToken stopping)
    {
        try
        {
            if (await _key.DescribeAsync(hold, info, stopping))
                hold.Written = info;
            else
                hold.LoseKey();
        }
        catch (EtcdException exception)
        {
            // The loop tries again: what was written still differs from what shall be.
            ClusterLog.DescribeFailed(_etcd.Logger, info.Role, info.Id, exception.Message);
        }
    }

    /// <summary>The key is gone or not this process's any more, as of a revision behind its creation.</summary>
    private void Check(EtcdSnapshot snapshot)
    {
        if (_hold is { } hold && snapshot.Revision >= hold.Incarnation
            && snapshot.Entries.GetValueOrDefault(_key.Name)?.CreateRevision != hold.Incarnation)
            hold.LoseKey();
    }

    private void Raise(string name, Action raise)
    {
        try
        {
            raise();
        }
        catch (Exception exception)
        {
            ClusterLog.RegistrationHandlerFailed(_etcd.Logger, name, exception);
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
