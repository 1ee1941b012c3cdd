namespace PushSystem.MariaDb.Sessions;

/// <summary>
/// The thread on which everything of one session runs that may block, one piece of work at a time, so that no thread of the pool ever
/// waits for the server. Ends after the work that says so. Posting is the session's business: it is not thread-safe.
/// </summary>
internal sealed class SessionThread
{
    // The library calls into TLS and name resolution.
    private const int StackBytes = 512 * 1024;

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _posted = new(0);
    private readonly Queue<Action> _work = new();
    private bool _ended;

    public SessionThread() => new Thread(Run, StackBytes) { IsBackground = true, Name = "mariadb" }.Start();

    /// <summary>Queues work. False: the thread has been told to end.</summary>
    public bool Post(Action work, bool last = false)
    {
        lock (_lock)
        {
            if (_ended)
                return false;
            _ended = last;
            _work.Enqueue(work);
        }
        _posted.Release();
        return true;
    }

    private void Run()
    {
        while (true)
        {
            _posted.Wait();
            Action work;
            bool last;
            lock (_lock)
            {
                work = _work.Dequeue();
                last = _ended && _work.Count == 0;
            }
            // Work answers its caller by itself and does not throw.
            work();
            if (last)
                return;
        }
    }
}
