using Microsoft.Extensions.Logging;

namespace PushSystem.Saver.Sql;

/// <summary>
/// Copies the write-ahead log into the database. Most of it is done by a background task beside the writer; what the writer wrote
/// meanwhile is done by the writing thread between two batches, because only then nothing is added and the log can begin anew.
/// <see cref="AfterBatch"/> is called by the writing thread; disposed by the store after the writer ended.
/// </summary>
internal sealed class Checkpointer(Func<RawConnection> open, SaverOptions options, SaverMetrics metrics, ILogger logger) : IAsyncDisposable
{
    private const long PageBytes = 4_096;
    // Over this many times its bound the writer waits, or a slow disk would let the log grow without end.
    private const int MostOverdue = 4;

    private Task _background = Task.CompletedTask;
    private bool _finishWanted;
    private long _pages;

    /// <summary>Writing thread, no transaction open.</summary>
    public void AfterBatch(RawConnection connection)
    {
        _pages += connection.TakePagesWritten();
        if (!_background.IsCompleted)
        {
            if (_pages * PageBytes < options.CheckpointBytes * MostOverdue)
                return;
            _background.Wait();
        }
        if (_finishWanted)
        {
            _finishWanted = false;
            Guarded(connection, static writing => writing.Checkpoint(truncate: false));
        }
        else if (_pages * PageBytes >= options.CheckpointBytes)
        {
            _pages = 0;
            _finishWanted = true;
            _background = Task.Factory.StartNew(
                () => Guarded(open, static open =>
                {
                    using var own = open();
                    return own.Checkpoint(truncate: false);
                }), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
    }

    public async ValueTask DisposeAsync() => await _background;

    private void Guarded<T>(T state, Func<T, bool> checkpoint)
    {
        try
        {
            checkpoint(state);
            metrics.Checkpoints.Add(1);
        }
        catch (Exception exception)
        {
            SaverLog.CheckpointFailed(logger, exception);
        }
    }
}
