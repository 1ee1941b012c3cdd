using PushSystem.Contracts;

namespace PushSystem.Register.Redis;

/// <summary>
/// The numbers of the parts' data as last asked for. Any thread; one round is under way at a time, and whoever comes meanwhile shares
/// it. Owned by <see cref="RedisSessionRegistry"/>, which disposes it.
/// </summary>
internal sealed class Epochs(RedisContext context, RegisterPart[] parts) : IAsyncDisposable
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly long[] _numbers = new long[parts.Length];
    private Task<IReadOnlyList<long>>? _round;
    private long _begun;
    private bool _isStale;

    /// <summary>The next question goes to redis, after the one that may be under way.</summary>
    public void Forget()
    {
        lock (_gate)
            _isStale = true;
    }

    public async ValueTask<IReadOnlyList<long>> GetAsync(CancellationToken cancellationToken)
    {
        Task<IReadOnlyList<long>> round;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping.IsCancellationRequested, this);
            if (_round is null || (_round.IsCompleted
                && (_isStale || !_round.IsCompletedSuccessfully || context.Time.GetElapsedTime(_begun) >= Fresh)))
            {
                _begun = context.Time.GetTimestamp();
                _isStale = false;
                _round = AskAsync();
            }
            round = _round;
        }
        return await round.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        Task? round;
        lock (_gate)
        {
            _stopping.Cancel();
            round = _round;
        }
        if (round is not null)
            await round.ContinueWith(static ended => _ = ended.Exception, TaskScheduler.Default);
        _stopping.Dispose();
    }

    private async Task<IReadOnlyList<long>> AskAsync()
    {
        // Away from the lock of whoever asked.
        await Task.Yield();
        var numbers = await Task.WhenAll(Enumerable.Range(0, parts.Length).Select(AskAsync));
        return numbers;
    }

    private async Task<long> AskAsync(int part)
    {
        long number;
        try
        {
            number = await parts[part].EpochAsync(_stopping.Token);
        }
        catch (StoreUnavailableException) when (Volatile.Read(ref _numbers[part]) != 0)
        {
            return Volatile.Read(ref _numbers[part]);
        }
        var before = Interlocked.Exchange(ref _numbers[part], number);
        if (before != 0 && before != number)
            RegisterLog.EpochChanged(context.Logger, part);
        return number;
    }
}
