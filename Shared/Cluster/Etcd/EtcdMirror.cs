using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Etcd;

/// <summary>
/// A copy of a prefix. Owns the copy, the loop that changes it and tells of it, the watch that feeds it and the lists that check it.
/// Any thread reads; one loop writes and calls the handlers, in order.
/// Disposed by whoever asked for it (not from a handler).
/// </summary>
internal sealed class EtcdMirror : IEtcdMirror
{
    private const int MaxQueued = 64;
    private readonly string _prefix;
    private readonly EtcdClient _etcd;
    private readonly EtcdOptions _options;
    private readonly MirrorState _state = new();
    private readonly MirrorWatch _watch;
    private readonly Channel<Input> _inputs = Channel.CreateBounded<Input>(new BoundedChannelOptions(MaxQueued) { SingleReader = true });
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _stopping;
    private readonly Lock _lock = new();
    private readonly Task _applying, _watching, _listing;
    private Task? _refreshing, _refreshingNext;
    private volatile bool _hasGoneBack;

    public EtcdMirror(
        string prefix, EtcdClient etcd, WatchOpener opener, EtcdHeartbeat heartbeat, EtcdOptions options, CancellationToken stopping)
    {
        (_prefix, _etcd, _options) = (prefix, etcd, options);
        _stopping = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        _watch = new MirrorWatch(this, prefix, etcd, opener, heartbeat, options);
        _applying = Task.Run(() => ApplyAsync(_stopping.Token), CancellationToken.None);
        _watching = Task.Run(() => _watch.RunAsync(_stopping.Token), CancellationToken.None);
        _listing = Task.Run(() => CheckAsync(_stopping.Token), CancellationToken.None);
    }

    /// <inheritdoc/>
    public EtcdSnapshot Current => _state.Current;

    /// <inheritdoc/>
    public Task Ready => _ready.Task;

    /// <inheritdoc/>
    public event Action<EtcdSnapshot, EtcdSnapshot>? Changed;

    /// <inheritdoc/>
    public ValueTask RefreshAsync(CancellationToken cancellationToken)
    {
        // Everybody who asks while a list is under way shares the next one: that one begins after they asked.
        Task shared;
        lock (_lock)
        {
            if (_refreshing is null)
                shared = _refreshing = RefreshSharedAsync(null);
            else
                shared = _refreshingNext ??= RefreshSharedAsync(_refreshing);
        }
        return new ValueTask(shared.WaitAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_watching, _listing, _applying);
        Task? refreshing;
        lock (_lock)
            refreshing = _refreshingNext ?? _refreshing;
        if (refreshing is not null)
            await refreshing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    /// <summary>Lists and applies; true when the list changed what the copy holds. Throws <see cref="EtcdException"/>.</summary>
    internal async Task<bool> ListAsync(string reason, bool serializable, CancellationToken cancellationToken)
    {
        var known = Current.Revision;
        var range = await _etcd.ListAsync(_prefix, serializable, cancellationToken);
        _etcd.Metrics.Listed(reason);
        if (!serializable && range.Revision < known)
        {
            // No lagging member can give this answer: etcd has lost what it had confirmed.
            if (!_hasGoneBack)
                ClusterLog.EtcdWentBack(_etcd.Logger, _prefix, known, range.Revision);
            _hasGoneBack = true;
        }
        return await ApplyAsync(new Input(range, null), cancellationToken);
    }

    /// <summary>Hands changes to the loop; waits while it is behind.</summary>
    internal ValueTask PostAsync(IReadOnlyList<WatchEvent> events, CancellationToken cancellationToken) =>
        _inputs.Writer.WriteAsync(new Input(null, events), cancellationToken);

    /// <summary>Completes when everything handed over before is in the copy.</summary>
    internal Task DrainAsync(CancellationToken cancellationToken) => ApplyAsync(new Input(null, null), cancellationToken);

    private async Task<bool> ApplyAsync(Input input, CancellationToken cancellationToken)
    {
        await _inputs.Writer.WriteAsync(input, cancellationToken);
        return await input.Done.Task.WaitAsync(cancellationToken);
    }

    private async Task RefreshSharedAsync(Task? before)
    {
        // The lock is held by the caller up to the first wait.
        await Task.Yield();
        if (before is not null)
            await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await ListAsync("asked", serializable: false, _stopping.Token);
        }
        finally
        {
            lock (_lock)
                (_refreshing, _refreshingNext) = (_refreshingNext, null);
        }
    }

    /// <summary>Lists now and then, because a watch can lose events without any sign of it.</summary>
    private async Task CheckAsync(CancellationToken stopping)
    {
        try
        {
            await _ready.Task.WaitAsync(stopping);
            while (true)
            {
                await Task.Delay(BackOff.Spread(_options.ListInterval), _etcd.Clock, stopping);
                try
                {
                    if (await ListAsync("periodic", serializable: false, stopping))
                        _watch.Restart();
                }
                catch (EtcdException exception)
                {
                    ClusterLog.ListFailed(_etcd.Logger, _prefix, exception.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
    }

    private async Task ApplyAsync(CancellationToken stopping)
    {
        try
        {
            await foreach (var input in _inputs.Reader.ReadAllAsync(stopping))
                Apply(input);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
        }
        finally
        {
            _inputs.Writer.TryComplete();
            _ready.TrySetCanceled(CancellationToken.None);
        }
    }

    private void Apply(Input input)
    {
        var before = _state.Current;
        var isStale = input.List is { } list ? !_state.Apply(list) : input.Events is { } events && !_state.Apply(events);
        if (isStale)
            _etcd.Metrics.Stale();
        var after = _state.Current;
        var isChanged = !ReferenceEquals(before.Entries, after.Entries);
        if (isChanged)
            Tell(before, after);
        if (input.List is not null)
            _ready.TrySetResult();
        input.Done.TrySetResult(isChanged);
    }

    private void Tell(EtcdSnapshot before, EtcdSnapshot after)
    {
        foreach (var handler in Delegate.EnumerateInvocationList(Changed))
        {
            try
            {
                handler(before, after);
            }
            catch (Exception exception)
            {
                ClusterLog.HandlerFailed(_etcd.Logger, _prefix, exception);
            }
        }
    }

    /// <summary>A list, or events, or (both null) a mark to wait for.</summary>
    private sealed record Input(EtcdRange? List, IReadOnlyList<WatchEvent>? Events)
    {
        public TaskCompletionSource<bool> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
