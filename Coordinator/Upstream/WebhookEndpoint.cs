namespace PushSystem.Coordinator.Upstream;

/// <summary>
/// One URL's health. When events of several users fail in a row it is paused as a whole, and after each pause one request
/// probes it; a single user's failing event never gets that far. Touched by the app's loop only.
/// </summary>
internal sealed class WebhookEndpoint(Uri url, int failureUsers, RetryPolicy pauses)
{
    private readonly HashSet<string> _failedUsers = new(StringComparer.Ordinal);
    private int _pauseCount;
    private bool _probing;

    /// <summary>Where events go.</summary>
    public Uri Url { get; } = url;

    /// <summary>Paused as a whole, or being probed after a pause.</summary>
    public bool Open { get; private set; }

    /// <summary>Not before this time, while <see cref="Open"/>.</summary>
    public DateTimeOffset PausedUntil { get; private set; }

    /// <summary>Users that wait for this URL.</summary>
    public Queue<UserLane> Waiting { get; } = new();

    /// <summary>The pause is over and no request tries the URL yet.</summary>
    public bool WantsProbe(DateTimeOffset now) => Open && !_probing && now >= PausedUntil;

    /// <summary>True when a request may go now; while the URL is open that request is the probe.</summary>
    public bool TryEnter(DateTimeOffset now)
    {
        if (!Open)
            return true;
        if (!WantsProbe(now))
            return false;
        _probing = true;
        return true;
    }

    /// <summary>True when this success ended a pause.</summary>
    public bool Succeeded()
    {
        _failedUsers.Clear();
        _probing = false;
        _pauseCount = 0;
        var ended = Open;
        Open = false;
        return ended;
    }

    /// <summary>Counts a failure; the length of the new pause when it begins one or goes on with one, else null.</summary>
    public TimeSpan? Failed(string user, TimeSpan? atLeast, DateTimeOffset now)
    {
        _failedUsers.Add(user);
        if (Open && !_probing)
            return null; // Was in flight when the pause began.
        if (!Open && _failedUsers.Count < failureUsers)
            return null;
        return Pause(now, atLeast);
    }

    /// <summary>Pauses now, at least so long.</summary>
    public TimeSpan Pause(DateTimeOffset now, TimeSpan? atLeast)
    {
        var pause = pauses.PauseAfter(++_pauseCount);
        if (atLeast > pause)
            pause = atLeast.Value;
        _probing = false;
        Open = true;
        if (now + pause > PausedUntil)
            PausedUntil = now + pause;
        return PausedUntil - now;
    }

    /// <summary>The probe's outcome is not known (we stop).</summary>
    public void Abandon() => _probing = false;
}
