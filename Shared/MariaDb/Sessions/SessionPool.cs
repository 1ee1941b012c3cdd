namespace PushSystem.MariaDb.Sessions;

/// <summary>
/// Sessions of one connection string. Any thread rents and returns. Bounded: who asks for more than there may be waits until its
/// connection timeout. The pool closes idle ones by a timer; whoever rents one gives it back once.
/// </summary>
internal sealed class SessionPool
{
    private static readonly TimeSpan PingAfter = TimeSpan.FromSeconds(15);

    private readonly ConnectionSettings _settings;
    private readonly SemaphoreSlim _free;
    private readonly Lock _lock = new();
    private readonly List<Session> _idle = [];
    private readonly ITimer _sweep;
    private bool _closed;

    public SessionPool(ConnectionSettings settings)
    {
        _settings = settings;
        _free = new SemaphoreSlim(settings.MaxPool);
        var period = settings.IdleTimeout / 2;
        _sweep = TimeProvider.System.CreateTimer(_ => Sweep(), null, period, period);
    }

    public ConnectionSettings Settings => _settings;

    /// <summary>Idle sessions.</summary>
    public int Idle
    {
        get
        {
            lock (_lock)
                return _idle.Count;
        }
    }

    /// <summary>A session that was alive a moment ago, or <see cref="MariaDbException"/> within the connection timeout.</summary>
    public async Task<Session> RentAsync(CancellationToken cancellationToken)
    {
        var started = TimeProvider.System.GetTimestamp();
        if (!await _free.WaitAsync(_settings.ConnectTimeout, cancellationToken))
        {
            throw TimedOut(
                $"All {_settings.MaxPool} connections of the pool (Maximum Pool Size) are in use; none came back within {_settings.ConnectTimeout.TotalSeconds:0} s.");
        }
        try
        {
            while (TakeIdle() is { } session)
            {
                if (await IsUsableAsync(session, Left(started), cancellationToken))
                    return session;
                session.Close();
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        catch
        {
            Release();
            throw;
        }
        return await OpenAsync(Left(started), cancellationToken);
    }

    /// <summary>Takes a session back.</summary>
    public void Return(Session session)
    {
        var now = TimeProvider.System.GetTimestamp();
        session.IdleSince = now;
        // Who closes a connection while its command runs has given that up.
        var keep = _settings.Pooling && !session.IsBroken && !session.IsBusy && !session.IsInTransaction && !IsOld(session, now);
        if (keep)
        {
            lock (_lock)
            {
                keep = !_closed;
                if (keep)
                    _idle.Add(session);
            }
        }
        if (keep)
            Release();
        else
            session.Close(Release);
    }

    /// <summary>Closes all idle sessions.</summary>
    public void Clear()
    {
        Session[] idle;
        lock (_lock)
        {
            idle = [.. _idle];
            _idle.Clear();
        }
        foreach (var session in idle)
            session.Close();
    }

    /// <summary>Closes the idle sessions; those in use are closed when they come back.</summary>
    public void Close()
    {
        lock (_lock)
            _closed = true;
        _sweep.Dispose();
        Clear();
    }

    private static TimeSpan Since(long timestamp) => TimeProvider.System.GetElapsedTime(timestamp);

    private static MariaDbException TimedOut(string message) =>
        new(message, MariaDbException.ConnectTimedOut, "HYT00", new TimeoutException());

    private TimeSpan Left(long started) => _settings.ConnectTimeout - Since(started);

    private MariaDbException NotOpened(Exception? inner) => new(
        $"{_settings.Server}:{_settings.Port} did not answer within {_settings.ConnectTimeout.TotalSeconds:0} s.",
        MariaDbException.ConnectTimedOut, "HYT00", inner ?? new TimeoutException());

    private bool IsOld(Session session, long now) =>
        _settings.Lifetime > TimeSpan.Zero && TimeProvider.System.GetElapsedTime(session.OpenedAt, now) > _settings.Lifetime;

    private Session? TakeIdle()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_closed, typeof(MariaDbDataSource));
            if (_idle.Count == 0)
                return null;
            var last = _idle[^1];
            _idle.RemoveAt(_idle.Count - 1);
            return last;
        }
    }

    private async Task<bool> IsUsableAsync(Session session, TimeSpan left, CancellationToken cancellationToken)
    {
        if (!session.LooksAlive() || left <= TimeSpan.Zero)
            return false;
        try
        {
            if (session.IsChanged && _settings.ResetChanged)
                return await session.ResetAsync(left, cancellationToken);
            return Since(session.IdleSince) < PingAfter || await session.PingAsync(left, cancellationToken);
        }
        catch (Exception exception) when (exception is MariaDbException or OperationCanceledException)
        {
            return false;
        }
    }

    private async Task<Session> OpenAsync(TimeSpan left, CancellationToken cancellationToken)
    {
        Task<Session> opening;
        try
        {
            if (left <= TimeSpan.Zero)
                throw NotOpened(null);
            opening = Session.OpenAsync(_settings, left, Release, cancellationToken);
        }
        catch
        {
            Release();
            throw;
        }
        try
        {
            // The library gives up by itself, but only at full seconds: the caller need not wait for that.
            return await opening.WaitAsync(left, cancellationToken);
        }
        catch (Exception exception) when (exception is TimeoutException or OperationCanceledException)
        {
            _ = ForgetAsync(opening);
            throw exception is TimeoutException ? NotOpened(exception) : exception;
        }
        catch (MariaDbException exception) when (exception.Number == MariaDbException.CommandTimedOut)
        {
            throw NotOpened(exception);
        }
    }

    // A session that opens although nobody waits any more goes to the next who asks; one that fails has ended itself.
    private async Task ForgetAsync(Task<Session> opening)
    {
        try
        {
            Return(await opening);
        }
        catch (Exception exception) when (exception is MariaDbException or OperationCanceledException)
        {
            // The caller was told already.
        }
    }

    private void Release() => _free.Release();

    private void Sweep()
    {
        List<Session> old = [];
        lock (_lock)
        {
            for (var i = 0; i < _idle.Count && _idle.Count > _settings.MinPool;)
            {
                // The list is a stack: those idle for longest are in front.
                if (Since(_idle[i].IdleSince) <= _settings.IdleTimeout)
                    break;
                old.Add(_idle[i]);
                _idle.RemoveAt(i);
            }
        }
        foreach (var session in old)
            session.Close();
    }
}
