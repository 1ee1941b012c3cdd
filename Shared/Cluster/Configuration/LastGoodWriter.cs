using Microsoft.Extensions.Logging;

namespace PushSystem.Cluster.Configuration;

/// <summary>
/// Writes the newest state to its file, off the watch's thread. Only the newest counts: one that was overtaken is never written.
/// Owns the loop that writes; any thread saves; whoever made it disposes it, which writes what is still waiting.
/// </summary>
internal sealed class LastGoodWriter : IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(10);

    private readonly string _path;
    private readonly string _cluster;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;
    private (long Revision, Func<byte[]> Content)? _waiting;

    public LastGoodWriter(string path, string cluster, TimeProvider time, ILogger logger)
    {
        (_path, _cluster, _time, _logger) = (path, cluster, time, logger);
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Leaves the state to be written; the content is made on the writer's thread.</summary>
    public void Save(long revision, Func<byte[]> content)
    {
        lock (_lock)
        {
            if (_waiting is null && _wake.CurrentCount == 0)
                _wake.Release();
            _waiting = (revision, content);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
        TryWrite();
        _stopping.Dispose();
        _wake.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _wake.WaitAsync(_stopping.Token);
                while (!TryWrite())
                    await Task.Delay(RetryDelay, _time, _stopping.Token);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
    }

    // False: it could not be written and waits again, unless something newer does.
    private bool TryWrite()
    {
        (long Revision, Func<byte[]> Content) saving;
        lock (_lock)
        {
            if (_waiting is null)
                return true;
            saving = _waiting.Value;
            _waiting = null;
        }
        try
        {
            LastGoodFile.Write(_path, _cluster, saving.Revision, saving.Content());
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            ClusterLog.LastGoodNotWritten(_logger, _path, exception.Message);
            lock (_lock)
                _waiting ??= saving;
            return false;
        }
    }
}
