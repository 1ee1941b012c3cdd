using PushSystem.Contracts;

namespace PushSystem.Coordinator.Upstream;

/// <summary>
/// What one app's loop knows of the stored queue: every event up to the cursor by id and user, and as many bodies as the
/// bound allows. It reads ahead only as far as there is something to do, so that a long backlog stays in the store.
/// Touched by the app's loop only.
/// </summary>
internal sealed class EventWindow(string app, IEventQueue events, CoordinatorMetrics metrics, int maxIndexed, int maxBodyBytes)
{
    private const int PageEvents = 256, PageBytes = 1024 * 1024;
    private const int RefillEvents = 32, RefillBytes = 256 * 1024;

    private readonly Dictionary<string, UserLane> _lanes = new(StringComparer.Ordinal);
    private readonly Dictionary<long, WaitingEvent> _byId = [];
    private long _cursor;
    private long _bodyBytes;
    private bool _more;

    /// <summary>Events known now.</summary>
    public int Count => _byId.Count;

    /// <summary>There may be stored events behind those known, and room to know them.</summary>
    public bool CanReadMore => _more && _byId.Count < maxIndexed;

    /// <summary>Something was stored since the last page.</summary>
    public void Appended() => _more = true;

    /// <summary>Reads the next page; lanes that had no event before are put into <paramref name="ready"/>.</summary>
    public async Task ReadPageAsync(Queue<UserLane> ready, CancellationToken cancellationToken)
    {
        var page = await events.ReadAsync(app, _cursor, Math.Min(PageEvents, maxIndexed - _byId.Count), PageBytes, cancellationToken);
        if (page.Count == 0)
        {
            _more = false;
            return;
        }
        foreach (var item in page)
        {
            _cursor = Math.Max(_cursor, item.Id);
            var waiting = new WaitingEvent(item.Id, item.Type, item.CreatedAt);
            if (!_byId.TryAdd(item.Id, waiting))
                continue;
            if (_bodyBytes + item.Body.Length <= maxBodyBytes)
                Keep(waiting, item.Body);
            if (!_lanes.TryGetValue(item.Key.User, out var lane))
            {
                lane = new UserLane(item.Key.User);
                _lanes.Add(item.Key.User, lane);
                ready.Enqueue(lane);
            }
            lane.Events.Enqueue(waiting);
            metrics.Indexed(1);
        }
    }

    /// <summary>
    /// The body, read again if it was released, together with those of following events that are likely next; null when the event
    /// is not stored any more.
    /// </summary>
    public async ValueTask<ReadOnlyMemory<byte>?> BodyAsync(WaitingEvent waiting, CancellationToken cancellationToken)
    {
        if (waiting.Body is { } body)
            return body;
        foreach (var item in await events.ReadAsync(app, waiting.Id - 1, RefillEvents, RefillBytes, cancellationToken))
        {
            if (!_byId.TryGetValue(item.Id, out var known) || known.Body is not null)
                continue;
            if (known == waiting || _bodyBytes + item.Body.Length <= maxBodyBytes)
                Keep(known, item.Body);
        }
        return waiting.Body;
    }

    /// <summary>Forgets the body of an event that has to wait; it stays in the store.</summary>
    public void Release(WaitingEvent waiting)
    {
        if (waiting.Body is { } body)
        {
            _bodyBytes -= body.Length;
            waiting.Body = null;
        }
    }

    /// <summary>Drops the first event of a lane; true when the lane has another one, else the lane is gone.</summary>
    public bool Finish(UserLane lane)
    {
        var done = lane.Events.Dequeue();
        Release(done);
        _byId.Remove(done.Id);
        metrics.Indexed(-1);
        lane.Failures = 0;
        if (lane.Events.Count > 0)
            return true;
        _lanes.Remove(lane.User);
        return false;
    }

    /// <summary>Forgets everything known, at the end of the loop.</summary>
    public void Clear()
    {
        metrics.Indexed(-_byId.Count);
        _byId.Clear();
        _lanes.Clear();
        _bodyBytes = 0;
    }

    private void Keep(WaitingEvent waiting, ReadOnlyMemory<byte> body)
    {
        waiting.Body = body;
        _bodyBytes += body.Length;
    }
}
