using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Redis;
using PushSystem.Saver.Landing;

namespace PushSystem.Saver.Redis;

/// <summary>
/// Looks after partitions that nobody asks for, records which data redis stands on, and sweeps the landing tier. One loop, woken early when
/// redis came back or a partition was lost. Owned by <see cref="RedisMailboxes"/>.
/// </summary>
internal sealed class PartitionKeeper : IAsyncDisposable
{
    private const int AtOnce = 8;

    private readonly IReadOnlyList<PartitionWriter> _partitions;
    private readonly IRedisLink _link;
    private readonly LandingStore _store;
    private readonly Lander _lander;
    private readonly ClusterSaverOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly CancellationTokenSource _stopping = new();
    private long _sweptAt;
    private Task _loop = Task.CompletedTask;
    private bool _disposed;

    public PartitionKeeper(
        IReadOnlyList<PartitionWriter> partitions, IRedisLink link, LandingStore store, Lander lander, ClusterSaverOptions options,
        TimeProvider time, ILogger logger)
    {
        (_partitions, _link, _store, _lander, _options, _time, _logger) = (partitions, link, store, lander, options, time, logger);
        _sweptAt = time.GetTimestamp();
        _link.Reconnected += Wake;
    }

    public void Start() => _loop = Task.Run(RunAsync);

    /// <summary>A round is due now. Never waits.</summary>
    public void Wake()
    {
        try
        {
            if (_wake.CurrentCount == 0)
                _wake.Release();
        }
        catch (Exception exception) when (exception is SemaphoreFullException or ObjectDisposedException)
        {
            // Somebody else woke it, or nobody needs it any more.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        _link.Reconnected -= Wake;
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
        _wake.Dispose();
    }

    /// <summary>One round over all partitions.</summary>
    public async Task KeepAsync(bool mayAdopt, bool mayBegin, CancellationToken cancellationToken)
    {
        StoreUnavailableException? failure = null;
        var round = new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(_partitions, round, async (partition, stopping) =>
        {
            try
            {
                await partition.KeepAsync(mayAdopt, mayBegin, stopping);
            }
            catch (StoreUnavailableException exception)
            {
                // The others have a right to their look; a redis that is away ends the round.
                failure ??= exception;
            }
        });
        if (failure is not null)
            RedisSaverLog.KeeperFailed(_logger, failure);
    }

    private async Task RunAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var woken = await WaitAsync();
                // What was seen a moment ago says nothing about whether a partition is idle.
                await KeepAsync(mayAdopt: !woken && _lander.IsWorking, mayBegin: _lander.IsWorking, _stopping.Token);
                await SweepAsync();
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
            }
            catch (Exception exception)
            {
                RedisSaverLog.KeeperFailed(_logger, exception);
            }
        }
    }

    private async Task<bool> WaitAsync()
    {
        using var pause = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var woken = _wake.WaitAsync(pause.Token);
        var first = await Task.WhenAny(woken, Task.Delay(_options.AdoptInterval, _time, pause.Token));
        await pause.CancelAsync();
        _stopping.Token.ThrowIfCancellationRequested();
        if (first != woken)
            return false;
        // Not at once again and again: while redis is away, each failed request would wake it.
        await Task.Delay(_options.LandingRetry, _time, _stopping.Token);
        return true;
    }

    private async Task SweepAsync()
    {
        if (_time.GetElapsedTime(_sweptAt) < _options.SweepInterval || !_lander.IsWorking)
            return;
        _sweptAt = _time.GetTimestamp();
        try
        {
            while (await _store.SweepAsync(_time.GetUtcNow().ToUnixTimeMilliseconds(), _stopping.Token))
            {
            }
        }
        catch (StoreUnavailableException exception)
        {
            RedisSaverLog.KeeperFailed(_logger, exception);
        }
    }
}
