namespace PushSystem.MariaDb.Sessions;

/// <summary>Why work was ended from outside.</summary>
internal enum AbortReason
{
    None,
    Cancelled,
    TimedOut,
}

/// <summary>One piece of work on a session's thread and the answer that its caller awaits.</summary>
internal abstract class SessionWork
{
    private CancellationTokenSource? _timer;
    private CancellationTokenRegistration _onTime, _onCancel;

    /// <summary>Set under the session's lock.</summary>
    public AbortReason Aborted { get; set; }

    /// <summary>The caller's token.</summary>
    public CancellationToken Token { get; private set; }

    /// <summary>For the message of a timeout.</summary>
    public TimeSpan Limit { get; private set; }

    /// <summary>Arms timeout and cancellation. They may fire on any thread from now until <see cref="Disarm"/> returns.</summary>
    public void Arm(TimeSpan limit, CancellationToken cancellationToken, Action<SessionWork, AbortReason> abort)
    {
        Limit = limit;
        Token = cancellationToken;
        if (limit > TimeSpan.Zero)
        {
            _timer = new CancellationTokenSource(limit);
            _onTime = _timer.Token.UnsafeRegister(_ => abort(this, AbortReason.TimedOut), null);
        }
        _onCancel = cancellationToken.UnsafeRegister(_ => abort(this, AbortReason.Cancelled), null);
    }

    public void Disarm()
    {
        _onTime.Dispose();
        _onCancel.Dispose();
        _timer?.Dispose();
    }

    public abstract void Fail(Exception exception);
}

/// <inheritdoc/>
internal sealed class SessionWork<T> : SessionWork
{
    private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<T> Answer => _answer.Task;

    public void Succeed(T result) => _answer.TrySetResult(result);

    public override void Fail(Exception exception)
    {
        if (exception is OperationCanceledException)
            _answer.TrySetCanceled(Token.IsCancellationRequested ? Token : default);
        else
            _answer.TrySetException(exception);
    }
}
