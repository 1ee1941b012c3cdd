using PushSystem.Contracts;

namespace PushSystem.Room.Sessions;

/// <summary>
/// One call for many users, carried out on the turns of the shards that hold their sessions; a session that has moved meanwhile is
/// followed. Made per call by any thread; completes when every shard has answered.
/// </summary>
internal abstract class SessionBatch<TItem, TResult>(RoomContext room, IReadOnlyList<TItem> items)
    : TaskCompletionSource<IReadOnlyList<TResult>>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    // A session moves when its client resumes, at most a few times a second; more hops than this mean that it is gone.
    private const int MaxHops = 8;

    private readonly TResult[] _results = new TResult[items.Count];
    private int _open = 1;

    protected abstract UserKey KeyOf(in TItem item);

    /// <summary>Carries the item out for a live session, on its shard's turn.</summary>
    protected abstract TResult Apply(RoomShard shard, int slot, in TItem item);

    /// <summary>The better of two answers when a user has two sessions for a moment.</summary>
    protected abstract TResult Merge(TResult one, TResult other);

    public void Start()
    {
        if (items.Count == 1)
            VisitAll(0, default, 0);
        else
            StartMany();
        Done();
    }

    private void StartMany()
    {
        var shares = new List<Visit>?[room.Shards.Length];
        for (var i = 0; i < items.Count; i++)
        {
            if (!room.Index.TryFind(KeyOf(items[i]), out var first, out var others))
                continue;
            (shares[first.Shard] ??= []).Add(new Visit(i, first, 0));
            foreach (var other in others ?? [])
                (shares[other.Shard] ??= []).Add(new Visit(i, other, 0));
        }
        for (var shard = 0; shard < shares.Length; shard++)
        {
            if (shares[shard] is not { } share)
                continue;
            Interlocked.Increment(ref _open);
            if (!room.Shards[shard].Post(static state => state.Batch.RunShare(state.Share), (Batch: this, Share: share)))
                Done();
        }
    }

    private void RunShare(List<Visit> share)
    {
        foreach (var visit in share)
            Run(visit);
        Done();
    }

    private void RunOne(Visit visit)
    {
        Run(visit);
        Done();
    }

    private void Run(Visit visit)
    {
        var shard = room.Shards[visit.Session.Shard];
        if (!shard.Sessions.IsLive(visit.Session.Slot, visit.Session.Generation))
        {
            if (visit.Hops < MaxHops)
                VisitAll(visit.Item, visit.Session, visit.Hops + 1);
            return;
        }
        var result = Apply(shard, visit.Session.Slot, items[visit.Item]);
        lock (_results)
            _results[visit.Item] = Merge(_results[visit.Item], result);
    }

    // One post per session of the user, except for the one that was found stale.
    private void VisitAll(int item, SessionRef stale, int hops)
    {
        if (!room.Index.TryFind(KeyOf(items[item]), out var first, out var others))
            return;
        VisitOne(new Visit(item, first, hops), stale);
        foreach (var other in others ?? [])
            VisitOne(new Visit(item, other, hops), stale);
    }

    private void VisitOne(Visit visit, SessionRef stale)
    {
        if (visit.Session == stale)
            return;
        Interlocked.Increment(ref _open);
        if (!room.Shards[visit.Session.Shard].Post(static state => state.Batch.RunOne(state.Visit), (Batch: this, Visit: visit)))
            Done();
    }

    private void Done()
    {
        if (Interlocked.Decrement(ref _open) == 0)
            TrySetResult(_results);
    }

    private readonly record struct Visit(int Item, SessionRef Session, int Hops);
}
