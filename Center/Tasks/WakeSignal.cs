namespace PushSystem.Center.Tasks;

/// <summary>
/// Wakes one waiting loop; signals that come while nobody waits are kept as one. Any thread sets, one loop waits.
/// </summary>
internal sealed class WakeSignal
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _waiter;
    private bool _isSet;

    public void Set()
    {
        TaskCompletionSource? waiter;
        lock (_lock)
        {
            _isSet = true;
            waiter = _waiter;
            _waiter = null;
        }
        waiter?.TrySetResult();
    }

    /// <summary>Forgets a signal: what it stands for is about to be looked at.</summary>
    public void Clear()
    {
        lock (_lock)
            _isSet = false;
    }

    /// <summary>Completes when set, or when the time is over.</summary>
    public async Task WaitAsync(TimeSpan delay, TimeProvider time, CancellationToken cancellationToken)
    {
        Task signal;
        lock (_lock)
        {
            if (_isSet)
            {
                _isSet = false;
                return;
            }
            _waiter ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            signal = _waiter.Task;
        }
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(signal, Task.Delay(delay, time, ended.Token));
        await ended.CancelAsync();
        lock (_lock)
        {
            _isSet = false;
            _waiter = null;
        }
        cancellationToken.ThrowIfCancellationRequested();
    }
}
