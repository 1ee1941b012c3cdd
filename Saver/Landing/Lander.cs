using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PushSystem.Contracts;
using PushSystem.Saver.Redis;

namespace PushSystem.Saver.Landing;

/// <summary>
/// Moves what the partitions journaled to the landing tier: one loop, one transaction at a time for all partitions that are due, so that
/// many small writes share a commit. Owned by <see cref="RedisMailboxes"/>, which starts it and disposes it after a last round.
/// </summary>
internal sealed class Lander(
    IReadOnlyList<ILandingSource> sources, LandingWriter writer, LandingStore store, ClusterSaverOptions options, RedisSaverMetrics metrics,
    TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private int _failures;

    /// <summary>False while the landing tier does not answer.</summary>
    public bool IsWorking => Volatile.Read(ref _failures) == 0;

    private long Now => time.GetUtcNow().ToUnixTimeMilliseconds();

    public void Start() => _loop = Task.Run(RunAsync);

    /// <summary>Somebody waits for a landing. Never waits.</summary>
    public void Wake() => _wake.Writer.TryWrite(true);

    /// <summary>Lands everything that is known to wait, whether it has lingered or not. False when something is left.</summary>
    public async Task<bool> FlushAsync(CancellationToken cancellationToken)
    {
        while (sources.Any(source => source.IsDue(long.MaxValue)))
        {
            if (!await RoundAsync(long.MaxValue, cancellationToken))
                return false;
        }
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stopping.Dispose();
    }

    /// <summary>Ends the loop; <see cref="FlushAsync"/> may be called afterwards.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
    }

    private async Task RunAsync()
    {
        try
        {
            while (!_stopping.IsCancellationRequested)
                await TurnAsync();
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            RedisSaverLog.LoopEnded(logger, "lander", exception);
            throw;
        }
    }

    private async Task TurnAsync()
    {
        try
        {
            while (await RoundAsync(Now, _stopping.Token))
            {
            }
            if (Interlocked.Exchange(ref _failures, 0) is > 0 and var failures)
                RedisSaverLog.LandingWorksAgain(logger, failures);
        }
        catch (StoreUnavailableException exception)
        {
            if (Interlocked.Increment(ref _failures) == 1)
                RedisSaverLog.LandingFailed(logger, exception);
            metrics.LandingFailures.Add(1);
            await Task.Delay(options.LandingRetry, time, _stopping.Token);
            return;
        }
        using var pause = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var woken = _wake.Reader.WaitToReadAsync(pause.Token).AsTask();
        var delay = Task.Delay(options.LandingLinger / 2, time, pause.Token);
        await Task.WhenAny(woken, delay);
        await pause.CancelAsync();
        _wake.Reader.TryRead(out _);
        _stopping.Token.ThrowIfCancellationRequested();
    }

    /// <summary>One transaction with what is due; false when nothing was.</summary>
    private async Task<bool> RoundAsync(long now, CancellationToken cancellationToken)
    {
        var due = sources.Where(source => source.IsDue(now)).ToList();
        await LookAsync(cancellationToken);
        if (due.Count == 0)
            return false;
        var share = Math.Max(options.LandingRows / due.Count, 16);
        var collected = await Task.WhenAll(due.Select(source => CollectAsync(source, share, cancellationToken)));
        var batches = new List<LandingBatch>();
        var owners = new Dictionary<int, ILandingSource>();
        for (var i = 0; i < due.Count; i++)
        {
            if (collected[i] is not { } batch)
                continue;
            batches.Add(batch);
            owners[batch.Part] = due[i];
        }
        if (batches.Count == 0)
            return false;
        foreach (var result in await writer.LandAsync(batches, cancellationToken))
            owners[result.Batch.Part].Settle(result);
        return true;
    }

    private async Task<LandingBatch?> CollectAsync(ILandingSource source, int share, CancellationToken cancellationToken)
    {
        try
        {
            return await source.CollectAsync(share, cancellationToken);
        }
        catch (StoreUnavailableException exception)
        {
            // redis is away or the partition is somebody else's: the others go on.
            RedisSaverLog.CollectFailed(logger, exception);
            return null;
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var orphans = Enumerable.Range(0, sources.Count).Where(part => sources[part].HasOrphans).ToList();
        if (orphans.Count == 0)
            return;
        var rows = await store.PartsAsync(orphans, cancellationToken);
        foreach (var part in orphans)
            sources[part].Look(rows.GetValueOrDefault(part));
    }
}
