namespace PushSystem.Saver.MySql;

/// <summary>
/// One piece of reading that many callers ask for at once: each gets a result of a run that began after it asked, and at most one run is
/// under way. Any thread.
/// </summary>
internal sealed class Coalesced<T>(Func<Task<T>> work)
{
    private readonly Lock _lock = new();
    private Task<T>? _running, _next;

    public Task<T> RunAsync()
    {
        lock (_lock)
        {
            if (_running is null or { IsCompleted: true } && _next is null)
                return _running = StartAsync();
            return _next ??= FollowAsync(_running!);
        }
    }

    private async Task<T> StartAsync()
    {
        // Nothing of the work runs inside the lock.
        await Task.Yield();
        return await work();
    }

    private async Task<T> FollowAsync(Task<T> running)
    {
        await Task.Yield();
        await ((Task)running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _running = _next;
            _next = null;
        }
        return await work();
    }
}
