namespace PushSystem.Transport.Shards;

/// <summary>
/// A queue of many producers and one consumer, linked through its items, so that a push allocates nothing. Producers push onto
/// a list with one compare-and-swap; the consumer takes the whole list at once and turns it round, which keeps the order of
/// each producer and cannot suffer from reused nodes. <see cref="TryPush"/>: any thread; the rest: the shard's turn.
/// </summary>
internal sealed class ShardQueue
{
    private static readonly IWorkItem Sealed = new SealItem();

    private IWorkItem? _pushed;
    private IWorkItem? _taken;

    /// <summary>Whether nothing waits. Exact for the consumer, a hint for others.</summary>
    public bool IsEmpty => _taken is null && Volatile.Read(ref _pushed) is var pushed && (pushed is null || ReferenceEquals(pushed, Sealed));

    /// <summary>False once the queue is sealed.</summary>
    public bool TryPush(IWorkItem item)
    {
        var head = Volatile.Read(ref _pushed);
        while (true)
        {
            if (ReferenceEquals(head, Sealed))
                return false;
            item.Next = head;
            var seen = Interlocked.CompareExchange(ref _pushed, item, head);
            if (ReferenceEquals(seen, head))
                return true;
            head = seen;
        }
    }

    /// <summary>The oldest item, or null.</summary>
    public IWorkItem? Take()
    {
        if (_taken is null)
        {
            var pushed = Volatile.Read(ref _pushed);
            if (pushed is null || ReferenceEquals(pushed, Sealed))
                return null;
            _taken = TurnRound(Interlocked.Exchange(ref _pushed, null));
        }
        var item = _taken!;
        _taken = item.Next;
        item.Next = null;
        return item;
    }

    /// <summary>Refuses every later push. What was pushed before can still be taken.</summary>
    public void Seal()
    {
        var rest = Interlocked.Exchange(ref _pushed, Sealed);
        if (rest is null || ReferenceEquals(rest, Sealed))
            return;
        rest = TurnRound(rest);
        if (_taken is null)
        {
            _taken = rest;
            return;
        }
        var last = _taken;
        while (last.Next is { } next)
            last = next;
        last.Next = rest;
    }

    private static IWorkItem? TurnRound(IWorkItem? newest)
    {
        IWorkItem? oldest = null;
        while (newest is not null)
        {
            var older = newest.Next;
            newest.Next = oldest;
            oldest = newest;
            newest = older;
        }
        return oldest;
    }

    private sealed class SealItem : IWorkItem
    {
        public IWorkItem? Next { get; set; }

        public void Run(Shard shard) => throw new InvalidOperationException("The seal of a shard's queue is no work.");
    }
}
