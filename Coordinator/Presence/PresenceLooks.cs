using PushSystem.Contracts;
using PushSystem.Coordinator.Upstream;

namespace PushSystem.Coordinator.Presence;

/// <summary>
/// Finds the users of an app who were last reported online and are not: after the app was claimed, after a room has gone, and once in
/// a while. It looks twice, half of the settle time apart, because a session that is just being bound again is missing for a moment.
/// The loop of the owners ticks it; a look runs beside it, one at a time. Disposed with the owned app.
/// </summary>
internal sealed class PresenceLooks : IAsyncDisposable
{
    private readonly string _app;
    private readonly PresenceBook _book;
    private readonly PresenceContext _context;
    private readonly Action _stored;
    private readonly RetryPolicy _retries;
    private readonly CancellationTokenSource _stopping = new();
    private Task _look = Task.CompletedTask;
    private Dictionary<string, long>? _suspects;
    private DateTimeOffset _due;
    private long _since;
    private int _failures;
    private int _again;

    public PresenceLooks(string app, PresenceBook book, PresenceContext context, Action stored)
    {
        _app = app;
        _book = book;
        _context = context;
        _stored = stored;
        _retries = new RetryPolicy(context.Options.RetryBase, context.Options.RetryCap);
        Schedule();
    }

    /// <summary>Something has happened that calls for a look. Any thread.</summary>
    public void Ask() => Interlocked.Exchange(ref _again, 1);

    public void Tick()
    {
        if (!_look.IsCompleted)
            return;
        if (_suspects is null && Interlocked.Exchange(ref _again, 0) != 0 && _due > _context.Time.GetUtcNow() + _context.Options.PresenceSettle / 2)
            Schedule();
        if (_context.Time.GetUtcNow() >= _due)
            _look = Task.Run(LookAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _look;
        _stopping.Dispose();
    }

    // Whoever is heard of from now on is not in question.
    private void Schedule()
    {
        _since = _context.UnixNow;
        _due = _context.Time.GetUtcNow() + _context.Options.PresenceSettle / 2;
    }

    private async Task LookAsync()
    {
        var pause = _context.Options.PresenceKeepOffline;
        try
        {
            if (!_context.WantsPresence(_app))
            {
                _suspects = null;
                await _book.ForgetAsync(_stopping.Token);
            }
            else if (_suspects is not null)
            {
                var reported = await _book.ReportAsync(_suspects, _since, _stopping.Token);
                _suspects = null;
                if (reported > 0)
                {
                    _stored();
                    CoordinatorLog.PresenceSettled(_context.Logger, _app, reported);
                }
            }
            else
            {
                var suspects = await _book.SuspectsAsync(_since, _stopping.Token);
                if (suspects.Count > 0)
                {
                    _suspects = suspects;
                    pause = _context.Options.PresenceSettle / 2;
                }
            }
            _failures = 0;
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
        }
        catch (Exception exception)
        {
            pause = _retries.PauseAfter(++_failures);
            if (exception is not FencedException)
                CoordinatorLog.SettleFailed(_context.Logger, exception, pause);
        }
        _due = _context.Time.GetUtcNow() + pause;
        if (_suspects is null && pause == _context.Options.PresenceKeepOffline)
            _since = _due.ToUnixTimeMilliseconds();
    }
}
