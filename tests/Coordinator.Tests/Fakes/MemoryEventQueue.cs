using PushSystem.Contracts;

namespace PushSystem.Coordinator.Tests.Fakes;

/// <summary>The queue's contract in memory; it outlives a coordinator, so that a restart can be tested, and fails on demand.</summary>
public sealed class MemoryEventQueue : IEventQueue
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<long, QueuedEvent> _events = [];
    private readonly HashSet<(string, string)> _known = [];
    private long _lastId;

    public bool Away { get; set; }
    /// <summary>Thrown once by the next read: an error that nobody expects.</summary>
    public Exception? Surprise { get; set; }
    public long Capacity { get; set; } = long.MaxValue;
    public int Reads { get; private set; }
    public int LargestReadBytes { get; private set; }
    public TaskCompletionSource? FirstFailure { get; set; }

    public int Count
    {
        get
        {
            lock (_lock)
                return _events.Count;
        }
    }

    public IReadOnlyList<QueuedEvent> Stored
    {
        get
        {
            lock (_lock)
                return [.. _events.Values];
        }
    }

    public ValueTask<IReadOnlyList<EventStatus>> AppendAsync(IReadOnlyList<EventDraft> drafts, CancellationToken cancellationToken)
    {
        Check();
        var statuses = new EventStatus[drafts.Count];
        lock (_lock)
        {
            for (var i = 0; i < drafts.Count; i++)
            {
                var draft = drafts[i];
                if (draft.DedupeKey != "" && _known.Contains((draft.Key.App, draft.DedupeKey)))
                    continue;
                if (_events.Values.Count(item => item.Key.App == draft.Key.App) >= Capacity)
                {
                    statuses[i] = EventStatus.Full;
                    continue;
                }
                _known.Add((draft.Key.App, draft.DedupeKey));
                _lastId++;
                _events.Add(_lastId, new QueuedEvent(_lastId, draft.Key, draft.Type, draft.CreatedAt, draft.Body));
            }
        }
        return new(statuses);
    }

    public ValueTask<IReadOnlyList<QueuedEvent>> ReadAsync(string app, long afterId, int maxEvents, int maxBytes, CancellationToken cancellationToken)
    {
        Check();
        lock (_lock)
        {
            Reads++;
            if (Surprise is { } surprise)
            {
                Surprise = null;
                throw surprise;
            }
            var page = new List<QueuedEvent>();
            var bytes = 0;
            foreach (var item in _events.Values.Where(item => item.Key.App == app && item.Id > afterId))
            {
                if (page.Count == maxEvents || (page.Count > 0 && bytes + item.Body.Length > maxBytes))
                    break;
                page.Add(item);
                bytes += item.Body.Length;
            }
            LargestReadBytes = Math.Max(LargestReadBytes, bytes);
            return new(page);
        }
    }

    public ValueTask RemoveAsync(string app, IReadOnlyList<long> ids, CancellationToken cancellationToken)
    {
        Check();
        lock (_lock)
        {
            foreach (var id in ids)
            {
                if (_events.TryGetValue(id, out var item) && item.Key.App == app)
                    _events.Remove(id);
            }
        }
        return default;
    }

    public ValueTask<IReadOnlyList<EventBacklog>> BacklogAsync(CancellationToken cancellationToken)
    {
        Check();
        lock (_lock)
        {
            return new((EventBacklog[])[.. _events.Values.GroupBy(item => item.Key.App)
                .Select(group => new EventBacklog(group.Key, group.Count(), group.Sum(item => item.Body.Length)))]);
        }
    }

    private void Check()
    {
        if (!Away)
            return;
        FirstFailure?.TrySetResult();
        throw new StoreUnavailableException("the test took the queue away");
    }
}
